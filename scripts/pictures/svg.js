// The frame of every picture: colours for light and dark pages, a name and a description. No script, no font, no address
// is in it, because a page that shows it as an image loads none, and a reader should not have to trust one.

/** Each at least 4.5 times as bright or as dark as the ground (WCAG 2, AA). */
export const SCHEMES = {
  light: {
    ground: '#f6f8fa',
    edge: '#d1d9e0',
    text: '#1f2328',
    dim: '#59636e',
    red: '#a40e26',
    green: '#116329',
    yellow: '#7d4e00',
    blue: '#0550ae',
  },
  dark: {
    ground: '#161b22',
    edge: '#3d444d',
    text: '#e6edf3',
    dim: '#9198a1',
    red: '#ff7b72',
    green: '#56d364',
    yellow: '#e3b341',
    blue: '#79c0ff',
  },
}

const FONT = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'

/** @returns The whole file. `words.title` and `words.description` are plain text. */
export function framed(content, { title, description, width, height }) {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title description">
<title id="title">${escaped(title)}</title>
<desc id="description">${escaped(description)}</desc>
<style>
text { font: 14px ${FONT}; fill: var(--text); }
.bold { font-weight: bold; }
${['dim', 'red', 'green', 'yellow', 'blue'].map((name) => `.${name} { fill: var(--${name}); }`).join('\n')}
.ground { fill: var(--ground); stroke: var(--edge); }
.line { stroke: var(--edge); }
.axis { stroke: var(--dim); }
text.small { font-size: 12px; }
.middle { text-anchor: middle; }
svg { ${variables(SCHEMES.light)} }
@media (prefers-color-scheme: dark) { svg { ${variables(SCHEMES.dark)} } }
</style>
<rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${content}</svg>
`
}

function variables(scheme) {
  return Object.entries(scheme)
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(' ')
}

export function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
