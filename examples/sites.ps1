# The API from PowerShell 7, by the command line.
#
#   $env:API = 'https://acme.highq.com/acme/api'
#   pwsh -File sites.ps1
#
# Ends with hq-token's exit code when there is no token (4: a person must log in; 75: later).
$ErrorActionPreference = 'Stop'
if (-not $env:API) { throw 'set API to the address of the API, such as https://acme.highq.com/acme/api' }

$token = hq-token get --min-valid 5m
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

# A secure string is not shown, neither in an error nor in a transcript.
$secure = ConvertTo-SecureString $token -AsPlainText -Force
$sites = Invoke-RestMethod -Uri "$($env:API.TrimEnd('/'))/1/sites" -Authentication Bearer -Token $secure `
  -Headers @{ Accept = 'application/json' }
$sites.site | ForEach-Object { "$($_.id)`t$($_.sitename)" }
