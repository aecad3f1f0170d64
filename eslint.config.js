import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['build', 'dist', 'node_modules', 'coverage', 'artifacts'] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: ['./tsconfig.json', './test/tsconfig.json'] } },
    rules: {
      // The one lint this program cannot do without: an exchange that nobody waits for is a lost token.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      // Numbers and Errors in messages are meant; objects are not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.cjs'],
    extends: [tseslint.configs.disableTypeChecked],
    // The compiler, which tells of it elsewhere, reads none of these.
    rules: { 'no-dupe-keys': 'error' },
  },
  {
    files: ['**/*.cjs'],
    rules: {
      '@typescript-eslint/no-require-imports': 'off',
      // An old Node knows no `catch` without a name.
      '@typescript-eslint/no-unused-vars': ['error', { caughtErrors: 'none' }],
    },
  },
)
