/** How <jobs-flow-run> looks, beside the theme that all elements share. */

import { sheet, theme } from "../draw/theme.js";
import { panelStyle } from "./panel_style.js";

const layout = `
:where(.row, .span, .attempt, .panel .badge) { --_color: var(--_muted); }
.card, .confirm {
  color-scheme: var(--_scheme);
  font: 14px/1.45 var(--jobs-flow-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
  text-align: start; text-transform: none; text-indent: 0; letter-spacing: normal; word-spacing: normal; white-space: normal;
  color: var(--_text); background: var(--_background);
  border: 1px solid var(--_border); border-radius: var(--jobs-flow-radius, 10px);
}
.card { container-type: inline-size; padding: 16px 18px; }
.header { display: flex; align-items: center; gap: 6px 12px; flex-wrap: wrap; margin-bottom: 12px; }
.heading { font-size: 16px; font-weight: 600; flex: 1 1 auto; min-width: 0; overflow-wrap: anywhere; }
.connection { color: var(--_warning); font-size: 13px; }
.summary {
  display: flex; flex-wrap: wrap; gap: 2px 12px; margin-top: 6px; color: var(--_muted); font-size: 13px;
  font-variant-numeric: tabular-nums;
}
.summary .time { margin-inline-start: auto; }
.stale .fill, .stale .turning { animation-play-state: paused; }
.stale .run-body, .stale .head > .bar { opacity: .75; }
/* Words and numbers of one language in a page of another direction keep their order. */
.numbers, .run-number, .time, .status, .badge-text, .button, .link, .tick { unicode-bidi: plaintext; }
.quiet { color: var(--_muted); font-size: 13px; }
:where(p, h2, h3, dl, dd) { margin: 0; }
p { overflow-wrap: anywhere; }
h2, h3 { font-size: inherit; }
.link { color: var(--_accent); font-size: 13px; min-height: 24px; }
.link:hover { text-decoration: underline; }

.button {
  display: inline-flex; align-items: center; justify-content: center; min-height: 32px; padding: 4px 12px;
  border: 1px solid var(--_border); border-radius: 6px; font-weight: 500; font-size: 13px;
  background: color-mix(in srgb, var(--_text) 3%, var(--_background));
}
.button.small { min-height: 26px; padding: 1px 10px; }
.button:hover { border-color: var(--_accent); }
.button[aria-pressed="true"] {
  color: var(--_accent); border-color: var(--_accent); background: color-mix(in srgb, var(--_accent) 10%, transparent);
}
.button.primary { color: var(--_on); background: var(--_accent); border-color: var(--_accent); }
.button.primary.grave { background: var(--_failed); border-color: var(--_failed); }
.button[aria-disabled="true"] { opacity: .5; cursor: not-allowed; border-color: var(--_border); }
.buttons, .switches { display: flex; flex-wrap: wrap; gap: 6px; }
.reason { font-size: 13px; color: var(--_muted); margin-top: 6px; }
.toolbar { display: flex; flex-wrap: wrap; gap: 8px 16px; justify-content: space-between; margin-top: 12px; }
.switches { gap: 0; margin-inline-start: auto; }
.switch:first-child { border-start-end-radius: 0; border-end-end-radius: 0; }
.switch:last-child { border-start-start-radius: 0; border-end-start-radius: 0; margin-inline-start: -1px; }
.switch[aria-pressed="true"] { position: relative; }

.run-body { display: grid; gap: 16px; margin-top: 12px; border-top: 1px solid var(--_border); padding-top: 10px; }
.tasks-pane { min-width: 0; }
.row { border-radius: 6px; padding: 0 6px; cursor: default; scroll-margin: 40px; }
.row:hover { background: color-mix(in srgb, var(--_text) 5%, transparent); }
.row:focus-visible { outline-offset: -2px; }
.row[aria-selected="true"] {
  background: color-mix(in srgb, var(--_accent) 11%, transparent); box-shadow: inset 3px 0 var(--_accent);
}
:host(:dir(rtl)) .row[aria-selected="true"] { box-shadow: inset -3px 0 var(--_accent); }
.row-main { display: flex; align-items: center; gap: 8px; min-height: 30px; }
.row-main, .row-more { padding-inline-start: calc(min(var(--level), 12) * 18px); }
.row-more { margin-inline-start: 48px; }
.row-more:has(> :not([hidden])) { padding-bottom: 8px; }
.row .segments { height: 5px; margin: 1px 0 0; }
.chevron { flex: none; display: inline-flex; justify-content: center; width: 16px; min-height: 28px; align-items: center; }
.row[aria-expanded] .chevron { cursor: pointer; }
.chevron svg { width: 12px; height: 12px; color: var(--_muted); transition: transform .15s; }
:host(:dir(rtl)) .chevron svg { transform: scaleX(-1); }
.row[aria-expanded="true"] .chevron svg { transform: rotate(90deg); }
.title { flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.name { font-weight: 500; }
.about { color: var(--_muted); font-size: 13px; margin-inline-start: 4px; }
.status { color: var(--_color); font-size: 13px; white-space: nowrap; }
.time { color: var(--_muted); font-size: 13px; white-space: nowrap; font-variant-numeric: tabular-nums; }
.row .time { min-width: 56px; text-align: end; }
.row .time[hidden] { display: block !important; visibility: hidden; }
.row[data-shown="inactive"] .name, .row[data-shown="skipped"] .name { color: var(--_muted); }
.text { color: var(--_muted); font-size: 13px; overflow-wrap: anywhere; display: block; }

.ticks { color: var(--_muted); font-size: 12px; height: 22px; padding: 0 6px; }
.tick-track { position: relative; height: 100%; grid-column: 2; direction: ltr; border-bottom: 1px solid var(--_border); }
.tick { position: absolute; bottom: 2px; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tick + .tick { transform: translateX(-50%); }
.timeline .ticks, .timeline .row { display: grid; grid-template-columns: minmax(120px, 38%) minmax(0, 1fr); gap: 0 10px; }
.timeline .row-more, .timeline .about { display: none; }
.timeline .status { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.bars {
  position: relative; align-self: center; height: 14px; direction: ltr;
  background: linear-gradient(var(--_track), var(--_track)) 0 50% / 100% 1px no-repeat;
}
.span { position: absolute; top: 1px; height: 12px; border-radius: 3px; background: var(--_color); min-width: 3px; }
.span[data-shown="queued"] {
  background: repeating-linear-gradient(135deg, var(--_muted) 0 1px, transparent 1px 4px) var(--_background);
  border: 1px solid var(--_muted); opacity: .7;
}
.span[data-shown="running"] { background: repeating-linear-gradient(90deg, var(--_accent) 0 8px, color-mix(in srgb, var(--_accent) 72%, var(--_background)) 8px 16px); }

.confirm { width: min(520px, calc(100vw - 24px)); max-height: calc(100vh - 24px); padding: 18px 20px; overflow: auto; }
.confirm::backdrop { background: rgb(10 14 20 / .5); }
.confirm h2 { font-size: 16px; overflow-wrap: anywhere; }
.confirm .subject { display: block; font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.confirm p { margin-top: 6px; }
.confirm .buttons { justify-content: flex-end; margin-top: 16px; }
.choice { display: flex; gap: 8px; align-items: baseline; padding: 4px 0; min-height: 28px; }
fieldset { border: 0; margin: 12px 0 0; padding: 0; }
legend { padding: 0; font-weight: 600; }
.fields > .choice, .argument { margin-top: 10px; }
.paths {
  max-height: 180px; overflow: auto; margin-top: 4px; padding: 6px 10px; border: 1px solid var(--_border); border-radius: 6px;
  font: 12px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere;
}
textarea, input[type="number"] {
  width: 100%; font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: inherit;
  background: var(--_background); border: 1px solid var(--_muted); border-radius: 6px; padding: 6px 8px; resize: vertical;
}
textarea[aria-invalid="true"] { border-color: var(--_failed); }

@container (min-width: 760px) {
  .run-body:not(.timeline) { grid-template-columns: minmax(0, 6fr) minmax(0, 7fr); }
  .run-body:not(.timeline) > .panel {
    position: sticky; top: 8px; align-self: start; max-height: calc(100vh - 16px); overflow: auto;
    border-inline-start: 1px solid var(--_border); padding-inline-start: 16px;
  }
  .run-body.timeline > .panel { border-top: 1px solid var(--_border); padding-top: 12px; }
  .back { display: none; }
}
@container (max-width: 759.98px) {
  .run-body:not(.detail) > .panel, .run-body.detail > .tasks-pane { display: none; }
}
@container (min-width: 760px) and (max-width: 959.98px) {
  .run-body:not(.timeline) .about { display: none; }
}
@container (max-width: 430px) {
  .row .status { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .row .time { min-width: 0; }
  .row .time[hidden] { display: none !important; }
  .row .about { display: none; }
  .timeline .row { grid-template-columns: minmax(0, 1fr); padding-bottom: 6px; }
  .timeline .ticks { grid-template-columns: minmax(0, 1fr); }
  .timeline .tick-track { grid-column: 1; }
  .timeline .bars { align-self: stretch; }
  .row-main, .row-more { padding-inline-start: calc(min(var(--level), 8) * 12px); }
}
@media (forced-colors: active) {
  .span { forced-color-adjust: none; }
  .row[aria-selected="true"] { outline: 2px solid Highlight; outline-offset: -2px; }
  .button[aria-pressed="true"] { border: 2px solid Highlight; }
  .button[aria-disabled="true"] { color: GrayText; opacity: 1; }
}
`;

let made: CSSStyleSheet[] | undefined;

/** The style sheets of an element, the same for all. */
export const sheets = (): CSSStyleSheet[] => (made ??= [sheet(theme, layout, panelStyle)]);
