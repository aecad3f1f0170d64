# The API from Windows PowerShell 5.1 or PowerShell 7, by the command line.
#
#   $env:API = 'https://acme.highq.com/acme/api'
#   powershell -ExecutionPolicy Bypass -File sites.ps1
#
# Ends with hq-token's exit code when there is no token (4: a person must log in; 75: later).
$ErrorActionPreference = 'Stop'
if (-not $env:API) { throw 'set API to the address of the API, such as https://acme.highq.com/acme/api' }

# Windows runs no hq-token.ps1 where scripts are forbidden, and hq-token.cmd everywhere.
$hqToken = if ($env:OS -eq 'Windows_NT') { 'hq-token.cmd' } else { 'hq-token' }
$token = & $hqToken get --min-valid 5m
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

$sites = Invoke-RestMethod -Uri "$($env:API.TrimEnd('/'))/1/sites" `
  -Headers @{ Authorization = "Bearer $token"; Accept = 'application/json' }
$sites.site | ForEach-Object { "$($_.id)`t$($_.sitename)" }
