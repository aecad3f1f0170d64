/** Tests that must notice: a file of `test/` by its name, and of that file those whose full names match. */
export const tests = (name, filter) => ({ file: `test/${name}.test.ts`, filter })
