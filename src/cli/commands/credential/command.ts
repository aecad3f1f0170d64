// The command line of `hq-token credential`: its options, their types and its help. Loads what does the work when it runs.
import { type Command, Option } from 'commander'
import type { Edge } from '../../edge.js'
import { credentialProtocols, type CredentialOptions } from './protocols.js'

const HELP = `
The token goes to the API's own origin and to no other.

  git config --global credential.https://acme.highq.com.helper '!hq-token credential --protocol git'
  echo '{"uri":"https://acme.highq.com/"}' | hq-token credential --protocol bazel get`

/** Adds `credential`: to answer as a credential helper. */
export function command(root: Command, { exitWith, tells, world }: Edge): void {
  root
    .command('credential')
    .argument('[operation]', 'git: get, store or erase; bazel: get')
    .description('answer as a credential helper')
    .addOption(
      new Option('--protocol <protocol>', 'the program that asks for the token')
        .choices(credentialProtocols)
        .makeOptionMandatory(),
    )
    .addHelpText('after', HELP)
    .action(async (operation: string | undefined, { protocol }: CredentialOptions) => {
      const { credential } = await import('./credential.js')
      exitWith(await credential(world, root.opts(), { protocol, operation }, tells))
    })
}
