import { describe, expect, it } from 'vitest'
import { windowsPlace } from '../../src/platform/windows-places.js'

const ENV = { APPDATA: 'D:\\Profiles\\me\\Application Data' }

describe('a place on Windows', () => {
  it.each([
    ['\\\\server\\share\\hq\\token.db', 'network'],
    ['//server/share/hq/token.db', 'network'],
    ['\\\\?\\UNC\\server\\share\\token.db', 'network'],
    ['\\\\.\\unc\\server\\share\\token.db', 'network'],
    ['\\\\?\\GLOBALROOT\\Device\\Mup\\server\\share\\token.db', 'network'],
    ['\\\\wsl.localhost\\Debian\\home\\me\\token.db', 'network'],
    ['\\\\server\\home$\\AppData\\Roaming\\hq-token\\token.db', 'network'],
    ['C:\\Users\\me\\AppData\\Roaming\\hq-token\\token.db', 'roaming'],
    ['c:\\users\\me\\appdata\\roaming\\hq-token\\token.db', 'roaming'],
    ['d:\\profiles\\ME\\Application Data\\hq-token\\token.db', 'roaming'],
    ['C:\\Users\\TEMP\\AppData\\Local\\hq-token\\token.db', 'temporary'],
    ['C:\\Users\\TEMP.ACME.003\\AppData\\Local\\hq-token\\token.db', 'temporary'],
    ['\\\\?\\C:\\Users\\TEMP\\AppData\\Roaming\\token.db', 'temporary'],
    ['C:\\Users\\temp\\AppData\\Local\\hq-token\\token.db', 'local'],
    ['C:\\Users\\TEMPEST\\AppData\\Local\\hq-token\\token.db', 'local'],
    ['C:\\Users\\me\\AppData\\Local\\hq-token\\token.db', 'local'],
    ['C:\\Users\\me\\AppData\\RoamingToo\\token.db', 'local'],
    ['\\\\?\\C:\\hq\\token.db', 'local'],
    ['\\\\?\\unix\\tmp\\hq\\token.db', 'local'],
    ['\\\\.\\C:\\hq\\token.db', 'local'],
    ['D:\\hq\\token.db', 'local'],
  ])('%s is %s', (path, place) => {
    expect(windowsPlace(path, ENV)).toBe(place)
  })

  it.each([
    ['D:\\Users\\TEMP', 'temporary'],
    ['E:\\Profiles\\TEMP.ACME.003', 'temporary'],
    ['E:\\Profiles\\temp', 'local'],
    ['E:\\Profiles\\TEMPEST', 'local'],
  ])('below the profile %s is %s', (home, place) => {
    expect(windowsPlace(`${home}\\AppData\\Local\\hq-token\\token.db`, ENV, home)).toBe(place)
    expect(windowsPlace('F:\\hq\\token.db', ENV, home)).toBe('local')
  })

  it('roams by a variable in any case', () => {
    expect(windowsPlace('D:\\Roam\\hq\\token.db', { AppData: 'D:\\Roam' })).toBe('roaming')
  })

  it('is not taken for a roaming one where no variable says so', () => {
    expect(windowsPlace('D:\\hq\\token.db', {})).toBe('local')
  })
})
