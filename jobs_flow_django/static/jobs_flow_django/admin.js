/*
 * Keeps a page of the admin up to date: that of one instance, and that of the last 24 hours.
 *
 * The server renders, always: `?part=live` gives the part of the page that changes, and what differs is put in its
 * place. An instance is watched over its socket, which says when to ask again; statuses, progress and log lines are
 * shown at once, without asking. Where there is no socket, the part is asked for every few seconds.
 */
import { morph } from "./admin-morph.js";

/** Milliseconds between two questions: while things change, while a run is at work, without a socket. */
const PAUSE = 1000;
const WORKING = 5000;
const POLL = 3000;
const LONGEST = 30_000;
/** Milliseconds that a socket may take to open before the page asks by itself. */
const PATIENCE = 4000;
/** Milliseconds that an answer may take. */
const ANSWER = 20_000;

const root = document.querySelector("#content-main[data-jf-instance], #content-main[data-jf-every]");
const connection = document.querySelector("#jf-connection");

// -- asking the server -------------------------------------------------------------------------

/** One question at a time; the last change is never lost, and an error is followed by a longer pause. */
class Refresher {
  #timer = 0;
  #due = Infinity;
  #busy = false;
  #stopped = false;
  #ended = 0;
  #took = 0;
  failures = 0;
  /** Called after each answer, with whether it differed. */
  onAnswer = () => {};

  /** Ask in `delay` milliseconds, or earlier if that was wanted before; never sooner than PAUSE after the last one. */
  want(delay = 0) {
    if (this.#stopped) return;
    const rest = Math.max(PAUSE, 3 * this.#took) * 2 ** Math.min(this.failures, 5);
    const wanted = Math.max(Date.now() + delay, this.#ended + Math.min(rest, LONGEST));
    if (wanted >= this.#due) return;
    this.#due = wanted;
    this.#plan();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #plan() {
    clearTimeout(this.#timer);
    // What is due while the page is hidden, or while an answer is awaited, is asked for after that.
    if (this.#busy || document.hidden || this.#due === Infinity) return;
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, this.#due - Date.now()));
  }

  /** The page was shown or hidden. */
  shown() {
    this.#plan();
  }

  async #ask() {
    if (document.hidden) return;
    this.#due = Infinity;
    this.#busy = true;
    const began = Date.now();
    let differs = false;
    try {
      differs = await load(location.href);
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      if (error instanceof Over) return this.#over(error);
      console.warn("jobs-flow: the page could not be brought up to date", error);
    } finally {
      this.#busy = false;
      this.#ended = Date.now();
      this.#took = this.#ended - began;
    }
    tell();
    if (this.failures) this.want(PAUSE);
    this.onAnswer(differs);
    this.#plan();
  }

  #over({ message }) {
    this.stop();
    say(message, "lost");
  }
}

/** There is nothing to be shown any more, to this reader. */
class Over extends Error {}

let shownSource = "";
let shownAddress = location.href.split("#")[0];

/** Put what the server shows now at an address in its place; whether it differs from what it showed before. */
const load = async (address) => {
  const url = new URL(address);
  url.hash = "";
  const plain = url.href;
  url.searchParams.set("part", "live");
  // A redirect leads to the login page.
  const options = { credentials: "same-origin", redirect: "manual", headers: { Accept: "text/html" } };
  const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(ANSWER) });
  if (answer.status === 404) throw new Over(connection?.dataset.missing);
  if (answer.status === 403 || answer.type === "opaqueredirect") throw new Over(connection?.dataset.gone);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const source = await answer.text();
  // The reader may have gone on to another task meanwhile.
  if (plain !== location.href.split("#")[0]) return true;
  const wanted = new DOMParser().parseFromString(source, "text/html").querySelector("#content-main");
  if (!wanted) throw new Error("the answer is no part of this page");
  const seq = Number(wanted.dataset.jfSeq ?? 0);
  // Of two that were under way the later one may have come first. 0: the storage is away, which is news.
  if (seq && plain === shownAddress && seq < Number(root.dataset.jfSeq)) return true;
  morph(root, wanted);
  shownAddress = plain;
  const lasting = source.replace(/ data-jf-now="\d+"/, "");
  const differs = lasting !== shownSource;
  shownSource = lasting;
  clock = Number(root.dataset.jfNow || Date.now()) - Date.now();
  loadedAt = Date.now();
  if (state) apply(state);
  tick();
  return differs;
};

const say = (text, kind) => {
  if (!connection) return;
  if (connection.textContent !== (text ?? "")) connection.textContent = text ?? "";
  connection.dataset.state = kind;
};

const refresher = new Refresher();

// -- what moves between two answers ------------------------------------------------------------

/** Milliseconds that the server's clock is ahead of this one; when the page was last rendered. */
let clock = Number(root?.dataset.jfNow || Date.now()) - Date.now();
let loadedAt = Date.now();

const elapsed = (milliseconds) => {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const padded = (number) => String(number).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${padded(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${padded(Math.floor((seconds % 3600) / 60))} min`;
};

/** As the server says it, `formats.about_text`. */
const about = (milliseconds) => {
  const seconds = milliseconds / 1000;
  if (seconds < 9.5) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 57.5) return `${Math.round(seconds / 5) * 5} s`;
  return seconds < 3570 ? `${Math.max(1, Math.round(seconds / 60))} min` : null;
};

const setText = (element, text) => {
  if (element && element.textContent !== text) element.textContent = text;
};

const tick = () => {
  for (const element of root.querySelectorAll("[data-jf-since]")) {
    setText(element, elapsed(Date.now() + clock - Number(element.dataset.jfSince)));
  }
  for (const element of root.querySelectorAll("[data-jf-left]")) {
    const left = about(Math.max(0, Number(element.dataset.jfLeft) - (Date.now() - loadedAt)));
    if (left) setText(element, root.dataset.jfLeftText.replace("{}", left));
  }
};

// -- what the socket says ----------------------------------------------------------------------

let state = null;

const setBadge = (badge, status, label = status) => {
  if (!badge) return;
  badge.className = `jf-badge jf-${status}`;
  setText(badge, label);
};

const percentOf = (share) => (share > 0 && share < 1 ? Math.min(99, Math.max(1, Math.round(share * 100))) : share * 100);

/** Show at once what is newer than the page: statuses, progress, log lines. The rest comes with the next answer. */
const apply = (state) => {
  appendLog(state);
  if (state.seq <= Number(root.dataset.jfSeq)) return;
  const label = root.getAttribute(`data-jf-label-${state.status}`);
  if (label) setBadge(document.querySelector("#jf-status"), state.status, label);
  if (state.total) {
    const percent = percentOf(state.progress);
    const bar = document.querySelector("#jf-progress");
    if (bar) {
      bar.value = percent;
      bar.className = `jf-progress jf-${state.status}`;
    }
    setText(document.querySelector("#jf-percent"), `${percent} %`);
    applyCounts(state.counts);
  }
  for (const row of root.querySelectorAll("tr[data-jf-path]")) applyTask(row, state.statuses[row.dataset.jfPath]);
};

const ORDER = ["inactive", "queued", "running", "ok", "skipped", "failed", "cancelled"];

const applyCounts = (counts) => {
  const list = document.querySelector("#jf-counts");
  if (!list) return;
  const items = ORDER.filter((status) => counts[status]).map((status) => {
    const item = document.createElement("li");
    item.dataset.key = status;
    const dot = document.createElement("span");
    dot.className = `jf-dot jf-${status}`;
    item.append(dot, `${counts[status]} ${status}`);
    return item;
  });
  list.replaceChildren(...items);
};

const applyTask = (row, view) => {
  if (!view) return;
  const badge = row.querySelector("td > .jf-badge");
  if (badge && badge.textContent !== view.status) setBadge(badge, view.status);
  const note = row.querySelector(".jf-note");
  if (!note || view.status !== "running") return;
  note.className = "jf-note jf-running";
  const share = typeof view.progress === "number" ? `${percentOf(view.progress)} %` : "";
  setText(note, [share, view.progressText].filter(Boolean).join(" · "));
};

/** Lines that the page does not show yet; the end stays in sight where it was. */
const appendLog = (state) => {
  const pre = document.querySelector("#jf-log");
  const log = pre && state.logs[pre.dataset.jfLog];
  if (!log) return;
  const next = Number(pre.dataset.jfNext);
  if (log.from > next || log.from + log.lines.length <= next) return;
  const lines = log.lines.slice(next - log.from);
  const atEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  const text = lines.map((line) => `${line}\n`).join("");
  if (pre.lastChild?.nodeType === Node.TEXT_NODE) pre.lastChild.appendData(text);
  else pre.append(text);
  pre.dataset.jfNext = String(next + lines.length);
  if (atEnd) pre.scrollTop = pre.scrollHeight;
};

/** Of a run that goes on, the end of the log is what the reader has come for. */
const toLogEnd = () => {
  const pre = document.querySelector("#jf-log");
  if (pre && root.hasAttribute("data-jf-working")) pre.scrollTop = pre.scrollHeight;
};

let announced = root?.querySelector("#jf-status")?.textContent;

/** For screen readers: a new status of the instance. */
const announce = () => {
  const status = document.querySelector("#jf-status")?.textContent;
  if (!status || status === announced) return;
  announced = status;
  setText(document.querySelector("#jf-said"), `${root.querySelector("h1").textContent}: ${status}`);
};

// -- the page of an instance -------------------------------------------------------------------

let client = null;
let stop = () => {};
let polling = false;
/** Whether the socket may still be on its way. */
let patient = true;
let pause = POLL;

const tell = () => {
  if (refresher.failures > 1) say(connection?.dataset.lost, "lost");
  else if (root.dataset.jfEvery || (patient && client?.connection !== "open")) say("", "");
  else say(polling ? connection.dataset.polling : connection.dataset.live, polling ? "polling" : "live");
};

const watch = () => {
  stop();
  const chosen = document.querySelector("[data-jf-log]")?.dataset.jfLog;
  const task = new URL(location.href).searchParams.get("task");
  stop = client.watch(root.dataset.jfInstance, changed, { logs: task ? [chosen ?? task] : false, fold: 50 });
};

let lastSeq = -1;

const changed = (fresh) => {
  state = fresh;
  if (state.status && state.status !== "deleted") {
    apply(state);
    announce();
  }
  if (state.seq > Number(root.dataset.jfSeq) || state.status === "deleted" || state.missing || state.seq < lastSeq) {
    refresher.want();
  }
  lastSeq = state.seq;
};

const connected = () => {
  const open = client?.connection === "open";
  if (!open && patient) return;
  if (open && polling) refresher.want();
  polling = !open;
  if (polling) refresher.want(POLL);
  tell();
};

/** Another task, block or view of the same page: without loading all of it. */
const follow = async (address, { push }) => {
  if (push) history.pushState(null, "", address);
  try {
    await load(location.href);
  } catch {
    location.reload();
    return;
  }
  if (client) watch();
  toLogEnd();
  const target = location.hash.length > 1 && document.querySelector(location.hash);
  if (push && target) target.scrollIntoView({ block: "nearest" });
};

const isOfThisPage = (link, event) => {
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return false;
  const href = link.getAttribute("href") ?? "";
  if (link.hasAttribute("download") || link.hasAttribute("target") || !href) return false;
  const url = new URL(link.href?.baseVal ?? link.href, location.href);
  return url.origin === location.origin && url.pathname === location.pathname && url.search !== "";
};

const startInstance = () => {
  document.querySelector("#jf-refresh")?.setAttribute("hidden", "");
  root.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!isOfThisPage(link, event)) return;
    event.preventDefault();
    follow(link.href.baseVal ?? link.href, { push: true });
  });
  addEventListener("popstate", () => {
    if (location.href.split("#")[0] !== shownAddress) follow(location.href, { push: false });
  });
  refresher.onAnswer = (differs) => {
    announce();
    if (polling) {
      pause = differs ? POLL : Math.min(LONGEST, pause * 1.5);
      refresher.want(pause);
    } else if (root.hasAttribute("data-jf-working")) {
      refresher.want(WORKING);
    }
    if (state && state.seq > Number(root.dataset.jfSeq)) refresher.want();
  };
  if (root.dataset.jfSocket && globalThis.JobsFlow) {
    client = JobsFlow.JobsFlowClient.for(root.dataset.jfSocket);
    client.addEventListener("connection", connected);
    watch();
    setTimeout(() => {
      patient = false;
      connected();
    }, PATIENCE);
  } else {
    polling = true;
    patient = false;
    refresher.want(POLL);
  }
  if (root.hasAttribute("data-jf-working")) refresher.want(WORKING);
  toLogEnd();
  tell();
  setInterval(() => document.hidden || tick(), 1000);
};

const startBoard = () => {
  const every = Number(root.dataset.jfEvery) * 1000;
  refresher.onAnswer = () => refresher.want(every);
  refresher.want(every);
};

if (root) {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      pause = POLL;
      refresher.want(polling || root.dataset.jfEvery ? 0 : WORKING);
    }
    refresher.shown();
  });
  if (root.dataset.jfInstance) startInstance();
  else startBoard();
}
