/** How the panel looks: facts, values, attempts, logs. */

export const panelStyle = `
.panel { min-width: 0; }
.panel > * + * { margin-top: 10px; }
.panel > .panel-head { margin-top: 0; }
.panel-head { display: flex; align-items: flex-start; gap: 6px 12px; flex-wrap: wrap; }
.panel-head h2 { flex: 1 1 auto; min-width: 0; font-size: 15px; overflow-wrap: anywhere; }
.panel-head h2:focus { outline: none; }
.panel-head h2:focus-visible { outline: 2px solid var(--_accent); }
.panel .path {
  display: block; margin-top: 0; color: var(--_muted); overflow-wrap: anywhere;
  font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
.panel .about { margin-inline-start: 0; margin-top: 2px; }
.back::before { content: "‹ "; }
:host(:dir(rtl)) .back::before { content: "› "; }

.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(120px, 1fr)); gap: 8px 12px; }
.facts dt { color: var(--_muted); font-size: 12px; }
.facts dd { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }

.section { border-top: 1px solid var(--_border); padding-top: 6px; }
.section > summary { cursor: pointer; padding: 3px 0; min-height: 26px; }
.section > summary > h3 { display: inline; font-weight: 600; font-size: 13px; margin-inline-end: 6px; }
.section > :not(summary) { margin-top: 4px; }
.section > div > * + * { margin-top: 6px; }
.section pre {
  margin: 4px 0 0; padding: 8px 10px; max-height: 340px; overflow: auto; border-radius: 6px;
  background: color-mix(in srgb, var(--_text) 4%, transparent);
  font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
}

.json { position: relative; font: 12px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.json-list .json-list { margin-inline-start: 16px; border-inline-start: 1px solid var(--_border); padding-inline-start: 8px; }
.json-part { overflow-wrap: anywhere; white-space: pre-wrap; }
.json-part > details { white-space: normal; }
.json summary { cursor: pointer; min-height: 20px; }
.json-name { color: var(--_muted); }
.json-summary { color: var(--_muted); }
.json-string { color: var(--_ok); }
.json-number, .json-boolean { color: var(--_accent); }
.json-null { color: var(--_muted); font-style: italic; }
.json .copy { font-family: var(--jobs-flow-font, system-ui, sans-serif); }

.run-lines {
  max-height: 320px; overflow: auto; padding: 6px 10px; border-radius: 6px;
  background: color-mix(in srgb, var(--_text) 4%, transparent);
  font: 12px/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
.run-lines li { overflow-wrap: anywhere; white-space: pre-wrap; min-height: 1.55em; }
.log-head { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; }
.log-head > .button { margin-inline-start: auto; }

.attempts { display: grid; gap: 8px; }
.attempt .line { display: flex; gap: 8px; align-items: center; }
.attempt .title { white-space: normal; overflow: visible; }
.attempt > :not(.line) { margin-inline-start: 24px; }
.error-text { color: var(--_failed); font-size: 13px; overflow-wrap: anywhere; white-space: pre-line; }
.attempt summary { cursor: pointer; font-size: 13px; min-height: 24px; }
.go-to { display: flex; gap: 8px; align-items: center; font-size: 13px; }
.go-to input[type="number"] { width: 90px; }
.editor > * + * { margin-top: 8px; }
`;
