// The variables of the environment that are no keys of the config file, for the reference pages. Reads nothing.

/** Each with its meaning, in which backquotes mark what is typed. */
export const variables = [
  [['HQ_TOKEN_CONFIG'], 'The config file.'],
  [['HQ_TOKEN_PROFILE'], 'The profile.'],
  [['HQ_TOKEN_CONFIG_DIR'], 'The folder of `config.ini` and `profiles/`; no other place is looked at.'],
  [['HQ_TOKEN_STATE_DIR'], 'The folder of the stores that have no path of their own: `token.db`, `NAME.db`.'],
  [
    ['HQ_TOKEN', 'HQ_TOKEN_EXPIRES_AT', 'HQ_TOKEN_FILE'],
    'Set by `exec` and `get --format env` for other programs; not read.',
  ],
  [
    ['HQ_TOKEN_EVENT', 'HQ_TOKEN_EVENT_SUBJECT'],
    'Set for the command of `[notify]`, with `…_MESSAGE`, `…_HINT`, `…_SINCE`, `…_COUNT`, `…_PROFILE`, `…_INSTANCE` and `…_HOST`; not read.',
  ],
]
