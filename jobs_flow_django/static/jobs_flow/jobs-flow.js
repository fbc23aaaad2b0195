/*
 * Live progress of jobs-flow workflows: a client, a reducer and <jobs-flow-progress>.
 *
 * Needs nothing else, and no build. As a classic script (<script src="…/jobs-flow.js" defer>) it defines the
 * element and the global `JobsFlow`; as a module (import "…/jobs-flow.js") it does the same, and jobs-flow.mjs
 * exports the names. Works under "script-src 'self'; style-src 'self'; connect-src 'self'".
 *
 * Parts: 1 state · 2 client · 3 words · 4 drawing · 5 element
 */
(() => {
  "use strict";
  if (globalThis.JobsFlow) return;

  // -- 1 state -----------------------------------------------------------------------------------
  // What is known of one instance, and how a message changes it. Pure: a state is never modified.

  const VERSION = 1;
  const ENDED = new Set(["ok", "skipped", "failed", "cancelled"]);
  const FINISHED = new Set(["done", "failed", "cancelled"]);
  const ROOT = "#";
  const HEADER = [
    ...["workflow", "name", "status", "run", "startedAt", "finishedAt", "error"],
    ...["paused", "cancelled", "undo"],
  ];
  const LINES_KEPT = 1000;

  /** The state before the first message. */
  const initialState = (id) => ({
    id,
    /** null until it is known; then inactive, working, done, failed or cancelled; deleted once it is gone. */
    status: null,
    workflow: "",
    name: "",
    run: 0,
    startedAt: null,
    finishedAt: null,
    /** {code, message, path?} of the failure of the latest run. */
    error: null,
    /** No task is started until this is taken back. */
    paused: false,
    /** Paths of the run that were asked to stop; "#" is all of it. */
    cancelled: [],
    /** wanted, running, done or failed; null when nothing is to be undone. */
    undo: null,
    /** Nested {name, description, path, children}. */
    tasks: [],
    /** Task records by path. */
    statuses: {},
    /** Number of tasks by status, and of all. */
    counts: {},
    total: 0,
    /** Share of tasks that have ended, 0 to 1. */
    progress: 0,
    /** By path {from, lines}; `from` is the index of the first line that is known. */
    logs: {},
    /** {code, message} of the latest request that was refused, of anybody's. */
    notice: null,
    /** {code, message} while nothing can be learned of the instance. */
    problem: null,
    /** There is no such instance, or not for this user. */
    missing: false,
    seq: 0,
  });

  const counted = (statuses) => {
    const counts = {};
    let total = 0;
    let ended = 0;
    for (const path in statuses) {
      const { status } = statuses[path];
      counts[status] = (counts[status] ?? 0) + 1;
      total += 1;
      if (ENDED.has(status)) ended += 1;
    }
    return { counts, total, progress: total ? ended / total : 0 };
  };

  const appended = (known, from, lines) => {
    const joins = known && from >= known.from && from <= known.from + known.lines.length;
    const all = joins ? known.lines.slice(0, from - known.from).concat(lines) : lines;
    const start = joins ? known.from : from;
    const excess = Math.max(0, all.length - LINES_KEPT);
    return { from: start + excess, lines: excess ? all.slice(excess) : all };
  };

  /** The state after a message of the server; the same object when the message says nothing about it. */
  const reduce = (state, message) => {
    if (message.id !== state.id) return state;
    switch (message.type) {
      case "workflowDescription": {
        const fresh = { tasks: message.tasks, statuses: {}, logs: {}, notice: null, problem: null, missing: false };
        return { ...state, ...fresh, ...counted({}) };
      }
      case "setWorkflowStatus": {
        const changed = { problem: null, missing: false, seq: message.seq };
        for (const name of HEADER) if (name in message) changed[name] = message[name];
        if (changed.status !== state.status) changed.notice = null;
        return { ...state, ...changed };
      }
      case "setTasksStatuses": {
        const statuses = { ...state.statuses };
        for (const [path, record] of Object.entries(message.statuses)) {
          statuses[path] = { ...statuses[path], ...record };
        }
        return { ...state, statuses, ...counted(statuses), problem: null, seq: message.seq };
      }
      case "taskLog": {
        const log = appended(state.logs[message.taskPath], message.from, message.lines);
        return { ...state, logs: { ...state.logs, [message.taskPath]: log }, seq: message.seq };
      }
      case "executionError": {
        const notice = { code: message.error.type, message: String(message.error.payload?.message ?? "") };
        const missing = notice.code === "INSTANCE_NOT_FOUND";
        return { ...state, notice, missing, seq: message.seq ?? state.seq };
      }
      case "workflowDeleted": {
        return { ...state, status: "deleted", problem: null, notice: null };
      }
      case "appError": {
        const missing = message.error.code === "INSTANCE_NOT_FOUND";
        return { ...state, problem: message.error, missing };
      }
      default:
        return state;
    }
  };

  // -- 2 client ----------------------------------------------------------------------------------

  const DEFAULT_URL = "/ws/jobs-flow/";
  const FIRST_DELAY = 500;
  const LONGEST_DELAY = 30_000;
  /** Milliseconds that a server may take to answer before the connection counts as lost. */
  const PATIENCE = 15_000;
  /** Milliseconds that a socket without a watch stays open. */
  const LINGER = 2_000;
  /** Close codes that trying again does not change: sign in first, not allowed. */
  const FINAL_CODES = new Set([4401, 4403]);

  /** What a request was refused with; `code` is stable, the message is for people. */
  class JobsFlowError extends Error {
    constructor({ code, message }) {
      super(message);
      this.name = "JobsFlowError";
      this.code = code;
    }
  }

  /**
   * One socket, shared by all that watch something at the same URL. It reconnects by itself, with growing and
   * random pauses, and then asks for what it missed.
   *
   * Events: "connection" (detail: connecting, open, reconnecting, denied, closed) and "state" (detail: a state).
   */
  class JobsFlowClient extends EventTarget {
    static #shared = new Map();

    /** The client of a URL, relative to the page; the same for all who ask. */
    static for(url = DEFAULT_URL) {
      const absolute = socketUrl(url);
      if (!this.#shared.has(absolute)) this.#shared.set(absolute, new this(absolute));
      return this.#shared.get(absolute);
    }

    /** closed, connecting, open, reconnecting or denied. */
    connection = "closed";
    /** Milliseconds that the server's clock is ahead of this one. */
    clockOffset = 0;
    #url;
    #socket = null;
    #watches = new Map();
    #answers = new Map();
    #outbox = [];
    #lastRef = 0;
    #failures = 0;
    #retry = 0;
    #timeout = 0;
    #idle = 0;

    constructor(url = DEFAULT_URL) {
      super();
      this.#url = socketUrl(url);
      addEventListener("online", () => this.reconnect());
      addEventListener("offline", () => this.#lost());
      addEventListener("pagehide", () => this.#drop());
      addEventListener("pageshow", (event) => event.persisted && this.reconnect());
      document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#probe());
    }

    /**
     * Call `listener` with the state of an instance: now, if it is known, and whenever it changes. Gives the
     * function that ends it.
     */
    watch(id, listener) {
      let watch = this.#watches.get(id);
      if (!watch) {
        const state = initialState(id);
        watch = { state, told: state, listeners: new Set(), complete: false, seq: 0 };
        this.#watches.set(id, watch);
        if (this.connection === "open") this.#ask(watch);
      }
      watch.listeners.add(listener);
      if (watch.told.status || watch.told.problem) listener(watch.told);
      this.#wake();
      return () => {
        if (!watch.listeners.delete(listener) || watch.listeners.size) return;
        if (this.#watches.get(id) !== watch) return;
        this.#watches.delete(id);
        if (this.connection === "open") this.#send({ type: "unwatchWorkflowInstance", workflowId: id });
        this.#rest();
      };
    }

    /** Run one task. Without `arg` it gets what the task before it handed on. Resolves once it has been started. */
    execute(workflowId, taskPath, arg) {
      return this.#request({ type: "executeTask", workflowId, taskPath, arg });
    }

    /** Run all tasks; `initialArg` goes to the first. Resolves once the run has been started. */
    executeAll(workflowId, initialArg) {
      return this.#request({ type: "executeAllTasks", workflowId, initialArg });
    }

    /** Make an instance; resolves to {id}. `options`: data, realm, name, key, execute. */
    create(workflow, options = {}) {
      const { data, realm, name, key, execute } = options;
      return this.#request({ type: "createWorkflowInstance", workflow, data, realm, name, key, execute });
    }

    /** Run again what has to be: mode "failed", "failed_and_downstream" or "all", or from `taskPath` on. */
    resume(workflowId, { mode, taskPath, preview } = {}) {
      return this.#request({ type: "resumeWorkflow", workflowId, mode, taskPath, preview });
    }

    /** Stop the run, or what of it is at `taskPath` and below; with `undo` what is finished is undone. */
    cancel(workflowId, { taskPath, undo } = {}) {
      return this.#request({ type: "cancelWorkflow", workflowId, taskPath, undo });
    }

    /** Start no further task. */
    pause(workflowId) {
      return this.#request({ type: "pauseWorkflow", workflowId });
    }

    /** Start them again. */
    unpause(workflowId) {
      return this.#request({ type: "unpauseWorkflow", workflowId });
    }

    /** Put the tasks at `taskPath` and below back to inactive. */
    reset(workflowId, taskPath = ROOT) {
      return this.#request({ type: "resetWorkflow", workflowId, taskPath });
    }

    /** Remove the instance with all its records. */
    destroy(workflowId) {
      return this.#request({ type: "destroyWorkflow", workflowId });
    }

    /** Replace the recorded context updaters of a task. */
    setContextUpdaters(workflowId, taskPath, updaters) {
      return this.#request({ type: "setContextUpdaters", workflowId, taskPath, updaters });
    }

    /** Try again at once, after signing in for example. */
    reconnect() {
      this.#failures = 0;
      this.#drop();
      if (this.#wanted) this.#connect();
      else this.#tell("closed");
    }

    get #wanted() {
      return this.#watches.size > 0 || this.#outbox.length > 0;
    }

    #request(message) {
      if (this.connection === "denied") return Promise.reject(new JobsFlowError(words.errors.denied));
      const ref = ++this.#lastRef;
      const answer = new Promise((resolve, reject) => this.#answers.set(ref, { resolve, reject, sent: false }));
      // JSON.stringify leaves an undefined argument out, and null, 0, "" and false in: they differ.
      const request = { ...message, ref };
      if (this.connection === "open") this.#send(request);
      else this.#outbox.push(request);
      this.#wake();
      return answer;
    }

    #wake() {
      clearTimeout(this.#idle);
      if (!this.#socket && !this.#retry && this.connection !== "denied") this.#connect();
    }

    #rest() {
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => {
        if (this.#wanted || this.#answers.size) return;
        this.#drop();
        this.#tell("closed");
      }, LINGER);
    }

    #connect() {
      this.#tell(this.connection === "open" || this.connection === "reconnecting" ? "reconnecting" : "connecting");
      let socket;
      try {
        socket = this.#socket = new WebSocket(this.#url);
      } catch (error) {
        console.error(`jobs-flow: no socket at ${this.#url}`, error);
        return this.#lost();
      }
      this.#expect();
      socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(data);
      socket.onclose = ({ code }) => {
        if (socket !== this.#socket) return;
        if (FINAL_CODES.has(code)) this.#denied();
        else this.#lost();
      };
    }

    /** Whatever comes, it has to come within PATIENCE. */
    #expect() {
      clearTimeout(this.#timeout);
      this.#timeout = setTimeout(() => this.#lost(), PATIENCE);
    }

    #drop() {
      const socket = this.#socket;
      this.#socket = null;
      clearTimeout(this.#timeout);
      clearTimeout(this.#retry);
      this.#retry = 0;
      socket?.close();
      // Whether the server has done what it was asked to is not known, so it is not asked again.
      for (const [ref, { reject, sent }] of this.#answers) {
        if (!sent) continue;
        this.#answers.delete(ref);
        reject(new JobsFlowError(words.errors.lost));
      }
    }

    /** The connection is gone: try again after a pause, if anybody still wants it. */
    #lost() {
      if (this.connection === "denied") return;
      this.#drop();
      if (!this.#wanted) return this.#tell("closed");
      this.#tell("reconnecting");
      const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures++);
      this.#retry = setTimeout(() => {
        this.#retry = 0;
        this.#connect();
      }, delay * (0.5 + Math.random() / 2));
    }

    #denied() {
      this.#drop();
      this.#outbox = [];
      for (const { reject } of this.#answers.values()) reject(new JobsFlowError(words.errors.denied));
      this.#answers.clear();
      this.#tell("denied");
    }

    #tell(connection) {
      if (connection === this.connection) return;
      this.connection = connection;
      this.dispatchEvent(new CustomEvent("connection", { detail: connection }));
    }

    #send(message) {
      const answer = this.#answers.get(message.ref);
      if (answer) answer.sent = true;
      this.#socket?.send(JSON.stringify(message));
    }

    #ask(watch) {
      const since = watch.complete ? watch.seq : undefined;
      const ref = `watch ${++this.#lastRef}`;
      this.#send({ type: "watchWorkflowInstance", workflowId: watch.state.id, since, ref });
    }

    /** Whether the connection is alive still: ask for what is known already, and wait for the answer. */
    #probe() {
      if (this.connection === "reconnecting") return this.reconnect();
      if (this.connection !== "open" || !this.#watches.size) return;
      this.#ask(this.#watches.values().next().value);
      this.#expect();
    }

    #receive(data) {
      clearTimeout(this.#timeout);
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return;
      }
      if (message.type === "hello") return this.#greeted(message);
      if (message.ref !== undefined) this.#answered(message);
      const watch = this.#watches.get(message.id);
      if (watch) this.#apply(watch, message);
      if (message.error?.code === "NOT_AUTHENTICATED") this.#denied();
    }

    #greeted({ version, time }) {
      if (version !== VERSION) console.warn(`jobs-flow: the server speaks version ${version}, this page ${VERSION}`);
      this.clockOffset = time - Date.now();
      this.#failures = 0;
      this.#tell("open");
      for (const watch of this.#watches.values()) this.#ask(watch);
      for (const message of this.#outbox.splice(0)) this.#send(message);
      if (!this.#watches.size) this.#rest();
    }

    #answered(message) {
      const answer = this.#answers.get(message.ref);
      if (!answer) return;
      this.#answers.delete(message.ref);
      if (message.type === "appError") answer.reject(new JobsFlowError(message.error));
      else answer.resolve(message);
      if (!this.#watches.size) this.#rest();
    }

    #apply(watch, message) {
      // What is wrong with somebody's request is theirs to hear; only the watch's own errors are of the instance.
      if (message.type === "appError" && message.ref !== undefined && typeof message.ref !== "string") return;
      if (message.type === "workflowDescription") watch.complete = false;
      watch.state = reduce(watch.state, message);
      if (message.more) return;
      if (message.seq !== undefined) {
        watch.seq = message.seq;
        watch.complete = true;
      }
      if (watch.state === watch.told) return;
      watch.told = watch.state;
      for (const listener of watch.listeners) {
        try {
          listener(watch.state);
        } catch (error) {
          reportError(error);
        }
      }
      this.dispatchEvent(new CustomEvent("state", { detail: watch.state }));
    }
  }

  const socketUrl = (url) => {
    const absolute = new URL(url, document.baseURI);
    absolute.protocol = absolute.protocol.replace(/^http/, "ws");
    return absolute.href;
  };

  // -- 3 words -----------------------------------------------------------------------------------
  // All that is shown; a page may replace any of it before the first element appears.

  const words = {
    task: {
      inactive: "Waiting",
      queued: "Queued",
      running: "Running",
      ok: "Done",
      skipped: "Skipped",
      failed: "Failed",
      cancelled: "Cancelled",
    },
    /** A task that waits for nothing, because there is no run. */
    idle: "Not run",
    instance: {
      inactive: "Not started",
      working: "Running",
      paused: "Paused",
      cancelling: "Cancelling",
      undoing: "Undoing",
      done: "Done",
      failed: "Failed",
      cancelled: "Cancelled",
      deleted: "Deleted",
    },
    connection: { connecting: "Connecting…", reconnecting: "Reconnecting…" },
    errors: {
      lost: { code: "CONNECTION_LOST", message: "The connection was lost before there was an answer." },
      denied: { code: "NOT_AUTHENTICATED", message: "You are not signed in." },
    },
    workflow: "Workflow",
    loading: "Loading…",
    signIn: "Sign in to see this progress.",
    missing: "There is no such workflow, or you may not see it.",
    deleted: "This workflow has been removed.",
    problem: (message) => `No news for now: ${message}`,
    failed: (name) => `${name} failed`,
    tasks: (ended, total) => `${ended} of ${total} ${total === 1 ? "task" : "tasks"}`,
    subtasks: (total) => `${total} subtasks`,
    part: (ended, total) => `${ended} of ${total}`,
    showTasks: "Show tasks",
    hideTasks: "Hide tasks",
    more: (count) => `Show ${count} more`,
    allLines: (count) => `Show all ${count} lines`,
    lastLines: "Show fewer lines",
    earlier: (count) => `… ${count} earlier ${count === 1 ? "line" : "lines"}`,
    log: (name) => `Log of ${name}`,
    progressOf: (name) => `Progress of ${name}`,
    resultLoading: "Loading the result…",
    resultFailed: "The result could not be loaded.",
    again: "Try again",
    count: (status, count) => `${count} ${words.task[status].toLowerCase()}`,
  };

  const duration = (milliseconds) => {
    const seconds = Math.max(0, milliseconds) / 1000;
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    const padded = (number) => String(Math.floor(number)).padStart(2, "0");
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${padded(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${padded((seconds % 3600) / 60)} min`;
  };

  /** The time of what goes on still, in whole seconds. */
  const elapsed = (milliseconds) => {
    const seconds = Math.max(0, Math.floor(milliseconds / 1000));
    return seconds < 60 ? `${seconds} s` : duration(seconds * 1000);
  };

  /** "weather_report" as people write it. */
  const readable = (name) => {
    const text = name.replace(/[_-]+/g, " ").trim();
    return text && text[0].toUpperCase() + text.slice(1);
  };

  /** What an instance at work is called: a pause or a cancellation shows before its tasks have ended. */
  const shownStatus = ({ status, paused, cancelled, undo }) => {
    if (status !== "working") return status;
    if (undo === "running") return "undoing";
    if (cancelled.includes(ROOT)) return "cancelling";
    return paused ? "paused" : status;
  };

  // -- 4 drawing ---------------------------------------------------------------------------------
  // Elements are made once and changed where the state changed. Text goes in as text, never as HTML.

  const SVG = "http://www.w3.org/2000/svg";
  const RING = (name = "ring") => ["circle", { cx: 8, cy: 8, r: 6, class: name }];
  const DISC = ["circle", { cx: 8, cy: 8, r: 7, class: "full" }];
  /** Drawings in a box of 16 by 16. Every status has a shape of its own, so that none depends on colour. */
  const SHAPES = {
    inactive: [RING("dashed")],
    queued: [RING(), ["path", { d: "M8 5v3.2l2 1.3" }]],
    running: [RING("track"), ["path", { d: "M8 2a6 6 0 0 1 6 6", class: "turning" }]],
    ok: [DISC, ["path", { d: "M4.8 8.3l2.2 2.2 4.2-4.6", class: "mark" }]],
    skipped: [RING(), ["path", { d: "M6 5.5l2.5 2.5L6 10.5M10.2 5.5v5" }]],
    failed: [DISC, ["path", { d: "M5.5 5.5l5 5m0-5l-5 5", class: "mark" }]],
    cancelled: [RING(), ["path", { d: "M3.8 12.2l8.4-8.4" }]],
    working: [],
    done: [],
  };
  SHAPES.working = SHAPES.running;
  SHAPES.done = SHAPES.ok;

  const CHEVRON = [["path", { d: "M6 4l4 4-4 4" }]];

  const draw = (shapes) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    for (const [tag, attributes] of shapes) {
      const shape = document.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
      svg.append(shape);
    }
    return svg;
  };

  /** make("div.line", {role: "status"}, child, …) */
  const make = (selector, attributes = {}, ...children) => {
    const [tag, ...classes] = selector.split(".");
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(" ");
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const setText = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
    element.hidden = !text;
  };

  /** `shown` is the look, where it is not that of the status. */
  const setStatus = (element, icon, status, shown = status) => {
    element.dataset.status = status;
    if (element.dataset.shown === shown) return;
    element.dataset.shown = shown;
    icon.replaceChildren(draw(SHAPES[shown] ?? SHAPES.inactive));
  };

  /** A progress bar with its meaning for screen readers. */
  class Bar {
    constructor(selector) {
      this.fill = make("div.fill");
      this.element = make(selector, { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, this.fill);
    }

    set(value, label, text) {
      const percent = Math.round(Math.min(1, Math.max(0, value)) * 100);
      this.fill.style.width = `${percent}%`;
      this.element.setAttribute("aria-valuenow", String(percent));
      this.element.setAttribute("aria-label", label);
      if (text) this.element.setAttribute("aria-valuetext", text);
      else this.element.removeAttribute("aria-valuetext");
    }
  }

  /** The last lines of a task's log, all of them on demand. */
  class Log {
    static LAST = 3;

    constructor(name) {
      this.open = false;
      this.earlier = make("div.earlier");
      this.lines = make("ol.lines", { "aria-label": words.log(name) });
      this.toggle = make("button.link", { type: "button", "aria-expanded": "false" });
      this.toggle.addEventListener("click", () => {
        this.open = !this.open;
        this.draw();
      });
      this.element = make("div.log", {}, this.earlier, this.lines, this.toggle);
      this.element.hidden = true;
    }

    update(log) {
      if (log === this.log) return;
      this.log = log;
      this.draw();
    }

    draw() {
      const { from, lines } = this.log ?? { from: 0, lines: [] };
      const shown = this.open ? lines : lines.slice(-Log.LAST);
      const first = from + lines.length - shown.length;
      this.element.hidden = !lines.length;
      const atEnd = this.lines.scrollTop + this.lines.clientHeight >= this.lines.scrollHeight - 4;
      this.lines.replaceChildren(...shown.map((line) => make("li", {}, line)));
      // Scrolled content has to be reachable by keyboard.
      if (this.open) this.lines.tabIndex = 0;
      else this.lines.removeAttribute("tabindex");
      if (atEnd) this.lines.scrollTop = this.lines.scrollHeight;
      setText(this.earlier, this.open && first ? words.earlier(first) : "");
      this.toggle.setAttribute("aria-expanded", String(this.open));
      setText(this.toggle, lines.length <= Log.LAST ? "" : this.open ? words.lastLines : words.allLines(lines.length));
    }
  }

  const pathsBelow = (task) => (task.children ?? []).flatMap((child) => [child.path, ...pathsBelow(child)]);

  /** A task, and the tasks below it. */
  class Row {
    constructor(task, view) {
      this.task = task;
      this.below = pathsBelow(task);
      this.icon = make("span.icon");
      this.status = make("span.status");
      this.time = make("span.time");
      this.bar = new Bar("div.bar.small");
      this.text = make("div.text");
      this.error = make("div.error");
      this.log = new Log(task.name);
      this.children = this.below.length ? new Tasks(task, view) : null;
      const name = make("span.name", {}, this.children?.toggle ?? task.name);
      const about = make("span.about", {}, task.description ?? "");
      const line = make("div.line", {}, this.icon, make("span.title", {}, name, " ", about), this.status, this.time);
      const body = make("div.body", {}, this.bar.element, this.text, this.error, this.log.element);
      this.element = make("li.task", {}, line, body);
      if (this.children) this.element.append(this.children.element);
    }

    update(state, now) {
      this.record = state.statuses[this.task.path] ?? {};
      this.unfinished = this.#unfinished(state);
      this.#show(this.record, state);
      this.tick(now);
      this.log.update(state.logs[this.task.path]);
      this.children?.update(state, now);
    }

    /** How many tasks below have ended, as long as not all have; a task is done before those below it begin. */
    #unfinished({ status, statuses }) {
      if (!this.below.length || status !== "working" || this.record.status !== "ok") return "";
      const ended = this.below.filter((path) => ENDED.has(statuses[path]?.status)).length;
      return ended < this.below.length ? words.part(ended, this.below.length) : "";
    }

    #show(record, state) {
      const status = record.status ?? "inactive";
      const idle = status === "inactive" && state.status !== "working" ? words.idle : "";
      setStatus(this.element, this.icon, status, this.unfinished ? "running" : status);
      setText(this.status, this.unfinished || idle || (words.task[status] ?? status));
      const measured = status === "running" && typeof record.progress === "number";
      this.bar.element.hidden = !measured;
      if (measured) this.bar.set(record.progress, words.progressOf(this.task.name), record.progressText);
      setText(this.text, status === "running" ? (record.progressText ?? "") : "");
      // The failure that ended the run is told above, once.
      const told = state.error?.path === this.task.path;
      setText(this.error, record.error && !told ? String(record.error.message ?? record.error.code ?? "") : "");
    }

    /** The time of a running task goes on between messages. */
    tick(now) {
      const { status, executionTime, duration: taken } = this.record ?? {};
      let text = "";
      if (status === "running" && executionTime) text = elapsed(now - executionTime);
      else if (status !== "skipped" && !this.unfinished && typeof taken === "number") text = duration(taken);
      setText(this.time, text);
      this.children?.tick(now);
    }
  }

  /** Sibling tasks; folded to their counts where they are many. */
  class Tasks {
    static WIDE = 20;
    static STEP = 100;
    static FAILED_SHOWN = 3;

    constructor(parent, view, sequential = false) {
      this.tasks = parent.children;
      this.view = view;
      this.sequential = sequential;
      this.open = sequential || this.tasks.length <= Tasks.WIDE;
      this.limit = Tasks.STEP;
      this.rows = new Map();
      this.counts = make("div.counts");
      this.list = make("ul.tasks");
      this.more = make("button.link", { type: "button" });
      this.more.addEventListener("click", () => {
        this.limit += Tasks.STEP;
        this.view.redraw();
      });
      this.element = make("div.block", {}, this.counts, this.list, this.more);
      this.toggle = make("button.toggle", { type: "button" }, parent.name, draw(CHEVRON));
      this.toggle.addEventListener("click", () => {
        this.open = !this.open;
        this.view.redraw();
      });
    }

    update(state, now) {
      this.toggle.setAttribute("aria-expanded", String(this.open));
      const chosen = this.open ? this.tasks.slice(0, this.limit) : this.#worthSeeing(state);
      this.#fill(chosen);
      for (const task of chosen) this.rows.get(task.path).update(state, now);
      const hidden = this.open ? this.tasks.length - chosen.length : 0;
      setText(this.more, hidden ? words.more(Math.min(hidden, Tasks.STEP)) : "");
      this.counts.hidden = this.sequential || (this.open && this.tasks.length <= Tasks.WIDE);
      if (!this.counts.hidden) this.#count(state);
    }

    tick(now) {
      for (const row of this.rows.values()) row.tick(now);
    }

    /** Of a folded block only the first failures: what changes all the time would make the page jump. */
    #worthSeeing({ statuses }) {
      const failed = this.tasks.filter(({ path }) => statuses[path]?.status === "failed");
      return failed.slice(0, Tasks.FAILED_SHOWN);
    }

    #fill(tasks) {
      const rows = new Map(tasks.map((task) => [task.path, this.rows.get(task.path) ?? new Row(task, this.view)]));
      const elements = [...rows.values()].map((row) => row.element);
      const present = this.list.children;
      const same = elements.length === present.length && elements.every((element, i) => element === present[i]);
      if (!same) this.list.replaceChildren(...elements);
      this.list.hidden = !elements.length;
      this.rows = rows;
    }

    #count(state) {
      const counts = {};
      for (const { path } of this.tasks) {
        const status = state.statuses[path]?.status ?? "inactive";
        counts[status] = (counts[status] ?? 0) + 1;
      }
      const present = Object.keys(words.task).reverse().filter((status) => counts[status]);
      const segments = present.map((status) => {
        const segment = make("span.segment", { "data-shown": status });
        segment.style.flexGrow = String(counts[status]);
        return segment;
      });
      const listed = present.map((status) => {
        return make("span.count", { "data-shown": status }, words.count(status, counts[status]));
      });
      const total = make("span.count", {}, words.subtasks(this.tasks.length));
      this.counts.replaceChildren(
        make("div.segments", { "aria-hidden": "true" }, ...segments),
        make("div.numbers", {}, total, ...listed),
      );
    }
  }

  /** Everything inside one <jobs-flow-progress>. */
  class View {
    constructor(root, redraw, reload) {
      this.redraw = redraw;
      this.icon = make("span.icon");
      this.title = make("span.heading", { id: "title" });
      this.status = make("span.badge-text");
      this.badge = make("span.badge", {}, this.icon, this.status);
      this.connection = make("span.connection");
      this.bar = new Bar("div.bar");
      this.numbers = make("span.numbers");
      this.time = make("span.time");
      this.error = make("div.error.box", { role: "alert" });
      this.notice = make("div.notice.box");
      this.again = make("button.link", { type: "button" }, words.again);
      this.again.hidden = true;
      this.again.addEventListener("click", reload);
      this.tree = make("div.tree");
      this.toggle = make("button.link.fold", { type: "button" });
      this.toggle.addEventListener("click", () => {
        this.folded = !this.folded;
        redraw();
      });
      this.said = make("div.said", { role: "status", "aria-live": "polite" });
      this.card = make(
        "section.card",
        { "aria-labelledby": "title", part: "card" },
        make("div.header", { part: "header" }, this.title, this.connection, this.badge),
        this.bar.element,
        make("div.summary", {}, this.numbers, this.time, this.toggle),
        this.error,
        this.notice,
        this.again,
        this.tree,
      );
      this.content = make("slot");
      root.append(this.said, this.card, this.content);
    }

    /** Show the state; `given` is what the element knows beside it. */
    update(state, given) {
      const { now, connection, label, result } = given;
      const title = label || state.name || readable(state.workflow) || words.workflow;
      const status = state.status ?? "inactive";
      setText(this.title, title);
      setStatus(this.card, this.icon, status);
      const shown = shownStatus(state);
      setText(this.status, shown ? (words.instance[shown] ?? shown) : state.missing ? "" : words.loading);
      this.badge.hidden = state.missing || connection === "denied";
      const lost = state.status ? connection === "reconnecting" : connection !== "open";
      setText(this.connection, lost ? (words.connection[connection] ?? "") : "");
      const still = state.status === "working" && state.paused;
      this.card.classList.toggle("stale", lost || still || Boolean(state.problem));

      this.card.classList.toggle("loading", !state.status && !state.missing && connection !== "denied");
      this.bar.element.hidden = state.missing || connection === "denied";
      const ended = Math.round(state.progress * state.total);
      const tasks = state.total ? words.tasks(ended, state.total) : "";
      this.bar.set(state.progress, words.progressOf(title), tasks);
      const unusual = ["failed", "skipped", "cancelled"].filter((each) => state.counts[each]);
      setText(this.numbers, [tasks, ...unusual.map((each) => words.count(each, state.counts[each]))].join(" · "));

      setText(this.error, status === "failed" || state.error ? this.#failure(state) : "");
      const [notice, tone] = this.#notice(state, connection, result);
      setText(this.notice, notice);
      this.notice.classList.toggle("warning", tone === "warning");
      this.again.hidden = result !== "failed";
      this.#drawTree(state, now);
      this.tick(state, now);
      this.#say(title, state, ended);
    }

    tick(state, now) {
      const { startedAt, finishedAt } = state;
      let text = "";
      if (startedAt && finishedAt) text = duration(finishedAt - startedAt);
      else if (startedAt && state.status === "working") text = elapsed(now - startedAt);
      setText(this.time, text);
      this.tasks?.tick(now);
    }

    #failure({ error }) {
      if (!error) return "";
      const name = error.path?.split(".").at(-1);
      return name ? `${words.failed(name)}: ${error.message ?? error.code}` : String(error.message ?? error.code ?? "");
    }

    #notice({ status, missing, problem, notice }, connection, result) {
      if (connection === "denied") return [words.signIn];
      if (missing) return [words.missing];
      if (status === "deleted") return [words.deleted];
      if (problem) return [words.problem(problem.message), "warning"];
      if (result === "loading") return [words.resultLoading];
      if (result === "failed") return [words.resultFailed, "warning"];
      return notice ? [notice.message, "warning"] : [""];
    }

    #drawTree(state, now) {
      if (state.tasks !== this.described) {
        this.described = state.tasks;
        const drawn = JSON.stringify(state.tasks);
        // A new run of the same tasks leaves open what the reader opened.
        if (drawn !== this.drawn) this.#plant(state.tasks);
        this.drawn = drawn;
      }
      this.tasks?.update(state, now);
      this.tree.hidden = this.folded || !this.tasks;
      setText(this.toggle, this.foldable && this.tasks ? (this.folded ? words.showTasks : words.hideTasks) : "");
      this.toggle.setAttribute("aria-expanded", String(!this.folded));
    }

    #plant(tasks) {
      // One after the other, tasks are shown however many; only what is parallel is folded.
      this.tasks = tasks.length ? new Tasks({ name: "", children: tasks }, this, true) : null;
      this.tree.replaceChildren(...(this.tasks ? [this.tasks.element] : []));
    }

    /** For screen readers: each status, and progress by quarters. */
    #say(title, state, ended) {
      if (!state.status) return;
      const quarter = state.status === "working" ? Math.floor(state.progress * 4) : 4;
      const shown = shownStatus(state);
      const said = `${state.run} ${shown} ${quarter}`;
      if (said === this.lastSaid) return;
      this.lastSaid = said;
      const parts = [words.instance[shown] ?? shown];
      if (state.status === "working" && ended) parts.push(words.tasks(ended, state.total));
      this.said.textContent = `${title}: ${parts.join(", ")}`;
    }
  }

  // -- 5 element ---------------------------------------------------------------------------------

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
  const css = `
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

  .card {
    container-type: inline-size;
    color-scheme: var(--_scheme);
    font: 14px/1.45 var(--jobs-flow-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
    color: var(--_text);
    background: var(--_background);
    border: 1px solid var(--_border);
    border-radius: var(--jobs-flow-radius, 10px);
    padding: 16px 18px;
  }
  .header { display: flex; align-items: center; gap: 6px 12px; flex-wrap: wrap; margin-bottom: 12px; }
  .heading { font-size: 16px; font-weight: 600; flex: 1 1 auto; min-width: 0; overflow-wrap: anywhere; }
  .badge {
    display: inline-flex; align-items: center; gap: 6px; padding: 2px 10px 2px 6px; border-radius: 99px;
    color: var(--_color); background: color-mix(in srgb, var(--_color) 12%, transparent);
    font-weight: 600; font-size: 13px;
  }
  .connection { color: var(--_warning); font-size: 13px; }
  .connection::before {
    content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 50%;
    background: currentColor; animation: pulse 1.4s ease-in-out infinite;
  }
  .summary {
    display: flex; flex-wrap: wrap; gap: 2px 12px; margin-top: 6px; color: var(--_muted); font-size: 13px;
    font-variant-numeric: tabular-nums;
  }
  .summary .numbers { flex: 1 1 auto; }

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
  .stale .fill, .stale .turning { animation-play-state: paused; }
  .stale .tree, .stale > .bar { opacity: .75; }

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

  .tree { margin-top: 12px; border-top: 1px solid var(--_border); padding-top: 8px; }
  .line { display: flex; align-items: center; gap: 8px; min-height: 28px; }
  .title { flex: 1 1 auto; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .name { font-weight: 500; }
  .about { color: var(--_muted); font-size: 13px; margin-left: 4px; }
  .status { color: var(--_color); font-size: 13px; white-space: nowrap; }
  .time {
    color: var(--_muted); font-size: 13px; white-space: nowrap; font-variant-numeric: tabular-nums;
  }
  .line .time { min-width: 52px; text-align: right; }
  .line .time[hidden] { display: block !important; visibility: hidden; }
  .task[data-shown="inactive"] > .line .name, .task[data-shown="skipped"] > .line .name { color: var(--_muted); }
  .body { padding-left: 24px; }
  .text { color: var(--_muted); font-size: 13px; overflow-wrap: anywhere; }
  .body .error {
    color: var(--_failed); font-size: 13px; overflow-wrap: anywhere; white-space: pre-line; padding-bottom: 4px;
  }
  .block .block { margin-left: 7px; padding-left: 17px; border-left: 1px solid var(--_border); }
  .toggle { display: inline-flex; align-items: center; gap: 4px; font-weight: inherit; }
  .toggle:focus-visible { outline-offset: -2px; }
  .toggle svg { width: 12px; height: 12px; color: var(--_muted); transition: transform .15s; }
  .toggle[aria-expanded="true"] svg { transform: rotate(90deg); }
  .toggle:hover { color: var(--_accent); }

  .counts { padding: 4px 0 6px; }
  .segments { display: flex; gap: 2px; height: 6px; max-width: 420px; border-radius: 99px; overflow: hidden; }
  .segment { flex: 1 1 0; min-width: 3px; background: var(--_color); }
  .segment[data-shown="inactive"], .segment[data-shown="queued"] { background: var(--_track); }
  .segment[data-shown="skipped"] { background: color-mix(in srgb, var(--_muted) 55%, var(--_track)); }
  .counts .numbers {
    display: flex; flex-wrap: wrap; gap: 0 12px; margin-top: 4px; font-size: 13px; font-variant-numeric: tabular-nums;
  }
  .count { color: var(--_color); }

  .log {
    margin: 2px 0 6px; color: var(--_muted); font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  }
  .lines { border-left: 2px solid var(--_border); padding-left: 10px; max-height: 260px; overflow: auto; }
  .lines li { overflow-wrap: anywhere; white-space: pre-wrap; }
  .earlier { padding-left: 12px; font-style: italic; }
  .link { color: var(--_accent); font-size: 13px; }
  .log .link { font-family: var(--jobs-flow-font, system-ui, sans-serif); }
  .card > .link { margin-top: 6px; }
  .link:hover { text-decoration: underline; }

  @container (max-width: 430px) {
    .status { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .line .time { min-width: 0; }
    .line .time[hidden] { display: none !important; }
    .about { display: none; }
    .body { padding-left: 24px; }
    .block .block { padding-left: 11px; }
  }
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

  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);

  /**
   * <jobs-flow-progress instance="ID" [src="URL"] [url="SOCKET URL"] [label="TITLE"] [folded]>
   *
   * Shows a workflow instance at work. With `src`: once it is done, the HTML of that URL (of this origin, with
   * cookies) takes the place of the progress, as content of the element. Events, which bubble: jobs-flow:state,
   * jobs-flow:done, jobs-flow:failed; `event.detail` is the state. Property `state`: the latest one.
   */
  class JobsFlowProgress extends HTMLElement {
    static observedAttributes = ["instance", "url", "src", "label", "folded"];

    state = initialState("");
    #view;
    #client = null;
    #stop = () => {};
    #frame = 0;
    #clock = 0;
    /** Of which run the end was announced; the page may come when it is over. */
    #announced = null;
    /** null, "loading", "failed" or "shown". */
    #result = null;
    #connectionChanged = () => this.#redraw();

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      this.#view = new View(
        root,
        () => this.#redraw(),
        () => this.#load(),
      );
    }

    /** The client of its socket: `element.client.executeAll(id)`. */
    get client() {
      return this.#client;
    }

    connectedCallback() {
      this.#view.foldable = this.#view.folded = this.hasAttribute("folded");
      this.#start();
    }

    disconnectedCallback() {
      this.#leave();
    }

    attributeChangedCallback(name, before, after) {
      if (!this.isConnected || before === after) return;
      if (name === "instance" || name === "url") this.#start();
      if (name === "folded") this.#view.foldable = this.#view.folded = after !== null;
      this.#redraw();
    }

    #start() {
      this.#leave();
      const id = this.getAttribute("instance");
      this.state = initialState(id);
      this.#announced = this.#result = null;
      if (id) {
        this.#client = JobsFlowClient.for(this.getAttribute("url") || undefined);
        this.#client.addEventListener("connection", this.#connectionChanged);
        this.#stop = this.#client.watch(id, (state) => this.#changed(state));
      }
      this.#redraw();
    }

    #leave() {
      this.#stop();
      this.#stop = () => {};
      this.#client?.removeEventListener("connection", this.#connectionChanged);
      cancelAnimationFrame(this.#frame);
      clearInterval(this.#clock);
      this.#frame = this.#clock = 0;
    }

    #changed(state) {
      this.state = state;
      this.#emit("state");
      if (!FINISHED.has(state.status)) {
        this.#announced = null;
        if (this.#result) this.#result = null;
      } else if (this.#announced !== state.run) {
        this.#announced = state.run;
        if (state.status === "done") {
          if (this.hasAttribute("src")) this.#load();
          this.#emit("done");
        } else {
          this.#emit("failed");
        }
      }
      this.#redraw();
    }

    #emit(name) {
      this.dispatchEvent(new CustomEvent(`jobs-flow:${name}`, { detail: this.state, bubbles: true, composed: true }));
    }

    /** Once a frame at most, however many messages come. */
    #redraw() {
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    }

    #draw() {
      this.#view.card.hidden = this.#result === "shown";
      this.#view.content.hidden = this.#result !== "shown";
      this.#view.update(this.state, {
        now: this.#now(),
        connection: this.#client?.connection ?? "closed",
        label: this.getAttribute("label"),
        result: this.#result,
      });
      const moving = this.state.status === "working" && this.#client?.connection === "open";
      if (moving && !this.#clock) this.#clock = setInterval(() => this.#view.tick(this.state, this.#now()), 1000);
      if (!moving) {
        clearInterval(this.#clock);
        this.#clock = 0;
      }
    }

    #now() {
      return Date.now() + (this.#client?.clockOffset ?? 0);
    }

    /** Put the result in the place of the progress. Scripts in it do not run. */
    async #load() {
      const { run } = this.state;
      this.#result = "loading";
      this.#redraw();
      try {
        const url = new URL(this.getAttribute("src"), document.baseURI);
        if (url.origin !== location.origin) throw new Error(`${url} is of another origin`);
        // A redirect would lead to the login page, or out of this site.
        const options = { credentials: "same-origin", mode: "same-origin", redirect: "error" };
        const answer = await fetch(url, { ...options, headers: { Accept: "text/html" } });
        if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
        const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (this.state.run !== run || this.#result !== "loading") return;
        this.replaceChildren(...parsed.body.childNodes);
        this.#result = "shown";
      } catch (error) {
        console.error("jobs-flow: the result could not be loaded", error);
        if (this.state.run === run && this.#result === "loading") this.#result = "failed";
      }
      this.#redraw();
    }
  }

  globalThis.JobsFlow = Object.freeze({
    JobsFlowClient,
    JobsFlowError,
    JobsFlowProgress,
    initialState,
    reduce,
    words,
  });
  customElements.define("jobs-flow-progress", JobsFlowProgress);
})();
