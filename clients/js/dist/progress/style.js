/** How <jobs-flow-progress> looks, beside the theme. */
export const style = `
.card {
  container-type: inline-size;
  color-scheme: var(--_scheme);
  font: 14px/1.45 var(--jobs-flow-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
  /* As a page centres or spaces the text around it, so it would be in here. */
  text-align: start; text-transform: none; text-indent: 0; letter-spacing: normal; word-spacing: normal; white-space: normal;
  color: var(--_text);
  background: var(--_background);
  border: 1px solid var(--_border);
  border-radius: var(--jobs-flow-radius, 10px);
  padding: 16px 18px;
}
.header { display: flex; align-items: center; gap: 6px 12px; flex-wrap: wrap; margin-bottom: 12px; }
.heading { font-size: 16px; font-weight: 600; flex: 1 1 auto; min-width: 0; overflow-wrap: anywhere; }
.connection { color: var(--_warning); font-size: 13px; }
.connection::before {
  content: ""; display: inline-block; width: 8px; height: 8px; margin-inline-end: 6px; border-radius: 50%;
  background: currentColor; animation: pulse 1.4s ease-in-out infinite;
}
.summary {
  display: flex; flex-wrap: wrap; gap: 2px 12px; margin-top: 6px; color: var(--_muted); font-size: 13px;
  font-variant-numeric: tabular-nums;
}
.summary .numbers { margin-inline-end: auto; }

/* Words and numbers of one language in a page of another direction keep their order. */
.heading, .numbers, .time, .status, .badge-text, .link, .text, .about, .error, .notice { unicode-bidi: plaintext; }
.lines li { unicode-bidi: plaintext; text-align: start; }
.stale .fill, .stale .turning { animation-play-state: paused; }
.stale .tree, .stale > .bar { opacity: .75; }

.tree { margin-top: 12px; border-top: 1px solid var(--_border); padding-top: 8px; }
.line { display: flex; align-items: center; gap: 8px; min-height: 28px; }
.title { flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.name { font-weight: 500; }
.about { color: var(--_muted); font-size: 13px; margin-inline-start: 4px; }
.status { color: var(--_color); font-size: 13px; white-space: nowrap; }
.time {
  color: var(--_muted); font-size: 13px; white-space: nowrap; font-variant-numeric: tabular-nums;
}
.line .time { min-width: 52px; text-align: end; }
.line .time[hidden] { display: block !important; visibility: hidden; }
.task[data-shown="inactive"] > .line .name, .task[data-shown="skipped"] > .line .name { color: var(--_muted); }
.body { padding-inline-start: 24px; }
.text { color: var(--_muted); font-size: 13px; overflow-wrap: anywhere; }
.body .error {
  color: var(--_failed); font-size: 13px; overflow-wrap: anywhere; white-space: pre-line; padding-bottom: 4px;
}
.block .block { margin-inline-start: 7px; padding-inline-start: 17px; border-inline-start: 1px solid var(--_border); }
.toggle { display: inline-flex; align-items: center; gap: 4px; font-weight: inherit; }
.toggle:focus-visible { outline-offset: -2px; }
.toggle svg { width: 12px; height: 12px; color: var(--_muted); transition: transform .15s; }
:host(:dir(rtl)) .toggle svg { transform: scaleX(-1); }
:host .toggle[aria-expanded="true"] svg { transform: rotate(90deg); }
.toggle:hover { color: var(--_accent); }

.log {
  margin: 2px 0 6px; color: var(--_muted); font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}
.lines { border-inline-start: 2px solid var(--_border); padding-inline-start: 10px; max-height: 260px; overflow: auto; }
.lines li { overflow-wrap: anywhere; white-space: pre-wrap; }
.earlier { padding-inline-start: 12px; font-style: italic; }
.link { color: var(--_accent); font-size: 13px; }
.log .link { font-family: var(--jobs-flow-font, system-ui, sans-serif); }
.card > .link { margin-top: 6px; }
.link:hover { text-decoration: underline; }
.pager { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 14px; min-height: 28px; font-size: 13px; }
.range { color: var(--_muted); font-variant-numeric: tabular-nums; }

@container (max-width: 430px) {
  .status { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .line .time { min-width: 0; }
  .line .time[hidden] { display: none !important; }
  .about { display: none; }
  .block .block { padding-inline-start: 11px; }
}
`;
