/** Colours, icons, bars and boxes, the same in all elements; a page sets the `--jobs-flow-…` variables to its own. */
const dark = `
  --_background: var(--jobs-flow-background, #151a22);
  --_text: var(--jobs-flow-text, #e4e9f1);
  --_muted: var(--jobs-flow-muted, #9aa6b8);
  --_border: var(--jobs-flow-border, #2c3441);
  --_track: var(--jobs-flow-track, #2a323f);
  --_accent: var(--jobs-flow-accent, #7aa5ff);
  --_ok: var(--jobs-flow-ok, #5fcf8b);
  --_failed: var(--jobs-flow-failed, #ff8f86);
  --_warning: var(--jobs-flow-warning, #f0b755);
  --_on: var(--jobs-flow-on-color, #10141b);
  --_scheme: dark;
`;
/** For the root of an element. */
export const theme = `
:host {
  --_background: var(--jobs-flow-background, #fff);
  --_text: var(--jobs-flow-text, #1b2330);
  --_muted: var(--jobs-flow-muted, #5b6678);
  --_border: var(--jobs-flow-border, #dde2ea);
  --_track: var(--jobs-flow-track, #e6eaf0);
  --_accent: var(--jobs-flow-accent, #2459d6);
  --_ok: var(--jobs-flow-ok, #157a3e);
  --_failed: var(--jobs-flow-failed, #b3261e);
  --_warning: var(--jobs-flow-warning, #8a5300);
  --_on: var(--jobs-flow-on-color, #fff);
  --_scheme: light;
  display: block;
}
@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) { ${dark} }
}
:host([theme="dark"]) { ${dark} }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
ul, ol { list-style: none; margin: 0; padding: 0; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; border-radius: 4px; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.badge {
  display: inline-flex; align-items: center; gap: 6px; padding: 2px 10px 2px 6px; border-radius: 99px;
  color: var(--_color); background: color-mix(in srgb, var(--_color) 12%, transparent);
  font-weight: 600; font-size: 13px;
}

.card, .task, .segment, .count { --_color: var(--_muted); }
[data-shown="running"], [data-shown="working"] { --_color: var(--_accent); }
[data-shown="ok"], [data-shown="done"] { --_color: var(--_ok); }
[data-shown="failed"] { --_color: var(--_failed); }
[data-shown="cancelled"] { --_color: var(--_warning); }

.icon { flex: none; display: inline-flex; width: 16px; height: 16px; color: var(--_color); }
svg {
  width: 16px; height: 16px; fill: none;
  stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round;
}
.full { fill: currentColor; stroke: none; }
.mark { stroke: var(--_on); stroke-width: 1.8; }
.track { opacity: .25; }
.dashed { stroke-dasharray: 1.9; }
.turning { transform-origin: 8px 8px; animation: turn .9s linear infinite; }

.bar { height: 8px; border-radius: 99px; background: var(--_track); overflow: hidden; }
.bar.small { height: 4px; margin: 4px 0 2px; max-width: 420px; }
.fill { height: 100%; border-radius: inherit; background: var(--_color); transition: width .25s ease-out; }
.loading .fill { width: 30% !important; opacity: .5; animation: slide 1.6s ease-in-out infinite; }

.box {
  margin-top: 12px; padding: 8px 12px; border-radius: 6px; border: 1px solid;
  overflow-wrap: anywhere; white-space: pre-line;
}
.box.error {
  color: var(--_failed); border-color: color-mix(in srgb, var(--_failed) 35%, transparent);
  background: color-mix(in srgb, var(--_failed) 8%, transparent);
}
.box.notice { color: var(--_muted); border-color: var(--_border); }
.box.notice.warning {
  color: var(--_warning); border-color: color-mix(in srgb, var(--_warning) 35%, transparent);
  background: color-mix(in srgb, var(--_warning) 8%, transparent);
}

.counts { padding: 4px 0 6px; }
.segments { display: flex; gap: 2px; height: 6px; max-width: 420px; border-radius: 99px; overflow: hidden; }
.segment { flex: 1 1 0; min-width: 3px; background: var(--_color); }
.segment[data-shown="inactive"], .segment[data-shown="queued"] { background: var(--_track); }
.segment[data-shown="skipped"] { background: color-mix(in srgb, var(--_muted) 55%, var(--_track)); }
.counts .numbers {
  display: flex; flex-wrap: wrap; gap: 0 12px; margin-top: 4px; font-size: 13px; font-variant-numeric: tabular-nums;
}
.count { color: var(--_color); }

@media (prefers-reduced-motion: reduce) {
  * { animation-duration: 4s !important; transition: none !important; }
  .turning, .loading .fill { animation-name: pulse !important; }
}
@media (forced-colors: active) {
  .fill, .segment { forced-color-adjust: none; }
}
@keyframes turn { to { transform: rotate(360deg); } }
@keyframes pulse { 50% { opacity: .35; } }
@keyframes slide { 0% { transform: translateX(-100%); } 100% { transform: translateX(340%); } }
`;
/** Style sheets for `adoptedStyleSheets`, which no content security policy forbids. */
export const sheet = (...css) => {
    const made = new CSSStyleSheet();
    made.replaceSync(css.join("\n"));
    return made;
};
