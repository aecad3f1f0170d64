// Answers of Windows' programs, written by Microsoft's documentation and the defaults of Windows Server 2022; not recorded on a
// real Windows.
import type { Answer, WindowsSystem } from '../../src/platform/access-control.js'

export const SERVICE = 'S-1-5-21-1004336348-1177238915-682003330-1104'
export const COLLEAGUE = 'S-1-5-21-1004336348-1177238915-682003330-1187'

/** `whoami /user /fo csv /nh`, in the code page of the console. */
export const WHOAMI = {
  english: `"acme\\svc-hq","${SERVICE}"\r\n`,
  german: `"kanzlei\\m\x81ller","${SERVICE}"\r\n`,
  system: '"nt authority\\system","S-1-5-18"\r\n',
}

/** `(Get-Acl PATH).Sddl`. SDDL is the same in every language. */
export const SDDL = {
  /** A folder that hq-token has made and closed. */
  closed: `O:${SERVICE}G:DUD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;${SERVICE})`,
  /** A file in it. */
  closedFile: `O:${SERVICE}G:DUD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;FA;;;${SERVICE})`,
  /** A folder below %LOCALAPPDATA%. */
  profile: `O:${SERVICE}G:DUD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;FA;;;${SERVICE})`,
  /** The list of a folder that `mkdir C:\\hq` makes. */
  belowDrive:
    'O:BAG:DUD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)(A;ID;0x1301bf;;;AU)(A;OICIIOID;SDGXGWGR;;;AU)',
  /** A file in it. */
  fileBelowDrive: 'O:BAG:DUD:AI(A;ID;0x1301bf;;;AU)(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)',
  /** The list of a folder that a user makes below %ProgramData%. */
  usersOwn: `O:${COLLEAGUE}G:DUD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;ID;FA;;;${COLLEAGUE})(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)`,
  /** A list that lets in administrators only, and an owner who can change it. */
  ownerAlone: `O:${COLLEAGUE}G:DUD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)`,
  /** A folder of an RDS server on the disk of the profiles. */
  remoteDesktop: `O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;${SERVICE})(A;OICI;0x1200a9;;;RD)(A;;FX;;;S-1-5-14)(A;OICI;FR;;;AC)`,
  /** %ProgramData%\\hq-token as docs/config.md says to make it: an account may read it. */
  machines: `O:BAG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;${SERVICE})`,
  machinesFile: `O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;${SERVICE})`,
  /** The same, and every user may read it. */
  machinesForAll: 'O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)',
} as const

/** The calls that were made, and a Windows whose programs answer so. */
export function windowsThat(
  answers: { readonly whoami?: string; readonly icacls?: number | null; readonly powershell?: string } = {},
  env: NodeJS.ProcessEnv = {
    SystemRoot: 'C:\\WINDOWS',
    PSModulePath: 'C:\\Program Files\\PowerShell\\7',
    SECRET: 'x',
  },
): WindowsSystem & { readonly ran: string[][]; readonly given: NodeJS.ProcessEnv[] } {
  const ran: string[][] = []
  const given: NodeJS.ProcessEnv[] = []
  const { whoami = WHOAMI.english, icacls = 0, powershell = '' } = answers
  return {
    ran,
    given,
    platform: 'win32',
    env,
    homedir: () => '/home/someone',
    run: (program, args, env): Answer => {
      ran.push([program, ...args])
      given.push(env)
      if (program.endsWith('icacls.exe')) return { status: icacls, output: '' }
      return { status: 0, output: program.endsWith('whoami.exe') ? whoami : powershell }
    },
  }
}
