// Writes the completion script of PowerShell, from Windows PowerShell 5.1 on. Pure.
import { valuesOf, type CommandNode, type Tree, type Value } from './tree.js'

export function powershell(tree: Tree): string {
  const { program, commands, common } = tree
  const every: CommandNode = { ...program, names: ['*'], options: common }
  const values = new Map(valuesOf(tree))
  const textOf = (key: string): string => valueText(values.get(key) ?? [])
  const rows = [
    ...commands.flatMap(({ names, description }) => names.map((name) => ['', name, '', description])),
    ...[program, ...commands, every].flatMap(({ names, options, operands }) =>
      names.flatMap((name) => [
        ...options.flatMap((option) =>
          option.names.map((one) => [name, one, textOf(`${name}:${one}`), option.description]),
        ),
        ...(name === '' || name === '*'
          ? []
          : operands.map((value, at) => [name, `${at}`, valueText(value), ''])),
      ]),
    ),
  ]
  return SCRIPT.replace('ROWS', () => rows.map((row) => row.join('|')).join('\n'))
}

function valueText(value: Value): string {
  return typeof value === 'string' ? value : value.join(' ')
}

const SCRIPT = `# PowerShell completion of hq-token, printed by: hq-token completion powershell

Register-ArgumentCompleter -Native -CommandName hq-token -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)

  # Command, * for all; option, position or command; its value; its description.
  $rows = @'
ROWS
'@ -split '\\r?\\n' | ForEach-Object {
    $cells = $_.Split([char[]]'|', 4)
    [pscustomobject]@{ Command = $cells[0]; Name = $cells[1]; Value = $cells[2]; Text = $cells[3] }
  }
  $command = ''
  $operands = 0
  $value = ''
  $isOf = { ($_.Command -ceq $command) -or ($_.Command -eq '*') }
  $valueOf = {
    param($name)
    $rows | Where-Object $isOf | Where-Object { $_.Name -ceq $name } | Select-Object -First 1 | ForEach-Object { $_.Value }
  }

  foreach ($element in ($commandAst.CommandElements | Select-Object -Skip 1)) {
    if ($element.Extent.EndOffset -ge $cursorPosition) { break }
    $word = $element.Extent.Text
    if ($value) { $value = '' }
    elseif ($word -like '--*=*') { }
    elseif ($word -like '-?*') { $value = & $valueOf $word }
    elseif (-not $command) { $command = $word }
    else {
      $operands++
      # PowerShell itself completes what exec runs.
      if ($command -ceq 'exec') { return }
    }
  }

  $word = $wordToComplete
  $before = ''
  if (-not $value -and $word -like '--*=*') {
    $name, $word = $word.Split([char[]]'=', 2)
    $before = "$name="
    $value = & $valueOf $name
  }
  elseif (-not $value -and $word -notlike '-*') { $value = & $valueOf "$operands" }

  if ($value -eq 'command') { return [System.Management.Automation.CompletionCompleters]::CompleteCommand($word) }
  $offered = if ($value -eq 'profile') {
    $folders = if ($env:HQ_TOKEN_CONFIG_DIR -match '^~(?=[\\\\/]|$)') { $HOME + $env:HQ_TOKEN_CONFIG_DIR.Substring(1) }
    elseif ($env:HQ_TOKEN_CONFIG_DIR) { $env:HQ_TOKEN_CONFIG_DIR }
    elseif ($env:OS -eq 'Windows_NT') { "$env:APPDATA/hq-token" }
    elseif ($env:XDG_CONFIG_HOME -like '/*') { "$env:XDG_CONFIG_HOME/hq-token"; '/etc/hq-token' }
    else { "$HOME/.config/hq-token"; '/etc/hq-token' }
    $folders | ForEach-Object { Get-ChildItem -LiteralPath "$_/profiles" -ErrorAction SilentlyContinue } |
      Where-Object { $_.Name -cmatch '^[a-z0-9][a-z0-9_-]*\\.ini$' } |
      ForEach-Object { [pscustomobject]@{ Name = $_.BaseName; Text = $_.BaseName } }
  }
  # Where nothing is offered, PowerShell itself offers files.
  elseif ($value -in 'file', 'folder', 'none') { }
  elseif ($value) { $value.Split(' ') | ForEach-Object { [pscustomobject]@{ Name = $_; Text = $_ } } }
  elseif ($word -like '-*') { $rows | Where-Object $isOf | Where-Object { $_.Name -like '-*' } }
  elseif (-not $command) { $rows | Where-Object { ($_.Command -eq '') -and ($_.Name -notlike '-*') } }

  $offered | Where-Object { $_ -and $_.Name.StartsWith($word, [StringComparison]::Ordinal) } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($before + $_.Name, $_.Name, 'ParameterValue', $_.Text)
  }
}
`
