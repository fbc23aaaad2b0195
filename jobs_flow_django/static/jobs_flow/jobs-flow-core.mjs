/*! jobs-flow 0.1.0: the client. MIT licence. Built from clients/js; do not edit. */
// src/connection.ts
var e = [4401, 4403], t = (e, t = Math.random()) => Math.min(3e4, 500 * 2 ** e) * (.5 + t / 2), n = class {
	state = "closed";
	#e;
	#t;
	#n;
	#r = null;
	#i = 0;
	#a = !1;
	#o = -Infinity;
	#s = 0;
	#c;
	#l;
	#u;
	constructor(e, t, n) {
		this.#e = e, this.#t = t, this.#n = n;
	}
	get open() {
		return this.state === "open";
	}
	send(e) {
		this.#r?.send(e);
	}
	wake() {
		clearTimeout(this.#u), this.state === "closed" && this.#d();
	}
	rest() {
		clearTimeout(this.#u), this.state !== "closed" && !this.#n.wanted() && (this.#u = setTimeout(() => this.#n.wanted() || this.close(), 2e3));
	}
	greeted() {
		this.#p("open");
	}
	reconnect() {
		this.#s = 0, this.drop(), this.#n.wanted() ? this.#d() : this.#p("closed");
	}
	close() {
		this.drop(), this.#p("closed");
	}
	deny() {
		let e = this.#a && this.#n.wanted() && Date.now() - this.#o > 6e4;
		if (this.drop(), !e) return this.#p("denied");
		this.#o = Date.now(), this.#p("reconnecting"), this.#l = setTimeout(() => this.#d(), t(2));
	}
	lose() {
		if (this.state !== "denied" && this.state !== "closed") {
			if (this.drop(), !this.#n.wanted()) return this.#p("closed");
			this.#p("reconnecting"), this.#l = setTimeout(() => this.#d(), t(this.#s++));
		}
	}
	expect() {
		clearTimeout(this.#c), this.#c = setTimeout(() => this.lose(), 15e3);
	}
	probe() {
		if (this.state === "reconnecting" || this.state === "denied") return this.reconnect();
		this.state === "open" && (this.expect(), this.#n.probe());
	}
	drop() {
		let e = this.#r;
		this.#r = null, this.#i++;
		for (let e of [
			this.#c,
			this.#l,
			this.#u
		]) clearTimeout(e);
		e?.close(), e && this.#n.dropped();
	}
	#d() {
		let t = ++this.#i;
		this.#a = !1;
		let n = () => t === this.#i;
		if (this.#p(this.state === "open" || this.state === "reconnecting" ? "reconnecting" : "connecting"), n()) {
			this.expect();
			try {
				this.#r = this.#t(this.#e, {
					message: (e) => n() && this.#f(e),
					closed: (t) => n() && (e.includes(t) ? this.deny() : this.lose())
				});
			} catch (e) {
				console.error(`jobs-flow: no connection to ${this.#e}`, e), this.lose();
			}
		}
	}
	#f(e) {
		clearTimeout(this.#c), this.#c = setTimeout(() => this.probe(), 45e3);
		let t = this.open;
		t && (this.#s = 0), this.#n.receive(e), t && this.open && (this.#a = !0);
	}
	#p(e) {
		e !== this.state && (this.state = e, this.#n.moved(e));
	}
}, r = class extends Error {
	code;
	problem;
	constructor(e) {
		super(e.message), this.name = "JobsFlowError", this.code = e.code, this.problem = e;
	}
}, i = {
	lost: {
		code: "CONNECTION_LOST",
		message: "The connection was lost before there was an answer."
	},
	windows: {
		code: "NEEDS_CONNECTION",
		message: "Other tasks of so many can be shown over a WebSocket only."
	},
	denied: {
		code: "NOT_AUTHENTICATED",
		message: "You are not signed in."
	}
}, a = (e, t) => {
	let n = new AbortController(), r = (e, t, r) => e?.addEventListener?.(t, r, { signal: n.signal }), i = () => {
		e.state !== "denied" && e.reconnect();
	};
	return r(globalThis, "online", i), r(globalThis, "offline", () => e.lose()), r(globalThis, "pagehide", () => e.drop()), r(globalThis, "pageshow", (e) => e.persisted && i()), r(globalThis.document, "visibilitychange", () => {
		document.visibilityState === "visible" ? e.probe() : e.open && t();
	}), () => n.abort();
}, o = 1e3, s = (e, t, n) => {
	let r = e ? e.from + e.lines.length : 0, i = e && t >= e.from && t <= r;
	if (i && t + n.length <= r) return e;
	let a = i ? e.lines.concat(n.slice(r - t)) : n, s = i ? e.from : t, c = Math.max(0, a.length - o);
	return {
		from: s + c,
		lines: c ? a.slice(c) : a
	};
}, c = (e, t) => {
	if (Object.is(e, t)) return !0;
	if (typeof e != "object" || typeof t != "object" || !e || !t || Array.isArray(e) !== Array.isArray(t)) return !1;
	let n = Object.keys(e);
	return n.length === Object.keys(t).length && n.every((n) => c(e[n], t[n]));
}, l = (e, t, n) => e.map((e) => e.path === t ? {
	...e,
	...n
} : t.startsWith(`${e.path}.`) ? {
	...e,
	children: l(e.children, t, n)
} : e), u = ({ tasks: e, window: t }) => {
	let n = (e) => e.flatMap(({ path: e, from: t, children: r }) => [...t ? [{
		path: e,
		from: t
	}] : [], ...n(r)]);
	return [...t?.from ? [{
		path: "#",
		from: t.from
	}] : [], ...n(e)];
}, d = "#", f = /* @__PURE__ */ new Set([
	"ok",
	"skipped",
	"failed",
	"cancelled"
]), p = /* @__PURE__ */ new Set([
	"done",
	"failed",
	"cancelled"
]), m = (e) => ({
	id: e,
	status: null,
	workflow: "",
	name: "",
	run: 0,
	startedAt: null,
	finishedAt: null,
	error: null,
	paused: !1,
	cancelled: [],
	undo: null,
	tasks: [],
	window: null,
	statuses: {},
	counts: {},
	total: 0,
	progress: 0,
	color: "muted",
	blocks: {},
	logs: {},
	notice: null,
	problem: null,
	missing: !1,
	seq: 0
}), h = [
	"workflow",
	"name",
	"status",
	"run",
	"startedAt",
	"finishedAt",
	"error",
	"paused",
	"cancelled",
	"undo"
], g = {
	working: "accent",
	done: "ok",
	failed: "failed",
	cancelled: "warning"
}, _ = (e, t) => {
	let n = {}, r = !1;
	for (let [i, a] of Object.entries(t)) c(e[i], a) || (n[i] = a, r = !0);
	return r ? {
		...e,
		...n
	} : e;
}, v = (e) => {
	let t = 0, n = 0, r = {};
	for (let [i, a] of Object.entries(e)) a && (r[i] = a, t += a, f.has(i) && (n += a));
	return {
		counts: r,
		total: t,
		progress: t ? n / t : 0
	};
}, y = ({ blocks: e, window: t }) => t !== null || Object.keys(e).length > 0, b = (e, t) => {
	let n = {
		problem: null,
		missing: !1,
		seq: t.seq
	};
	for (let e of h) t[e] !== void 0 && (n[e] = t[e]);
	return t.status !== e.status && (n.notice = null), n.color = g[t.status] ?? "muted", _(e, n);
}, x = (e, t) => {
	let n = {
		...e,
		...t
	};
	return t.bodySize != null && !("body" in t) && delete n.body, n;
}, S = (e, t) => {
	let n = { ...e.counts }, r;
	for (let [i, a] of Object.entries(t.statuses)) {
		let t = e.statuses[i], o = t ? x(t, a) : a;
		if (t && c(t, o)) continue;
		r ??= { ...e.statuses }, r[i] = o, t && n[t.status ?? "inactive"]--;
		let s = o.status ?? "inactive";
		n[s] = (n[s] ?? 0) + 1;
	}
	let i = {
		problem: null,
		seq: t.seq
	};
	return r && (i.statuses = r), t.blocks && (i.blocks = {
		...e.blocks,
		...t.blocks
	}), t.counts ? Object.assign(i, v(t.counts)) : r && !y(e) && Object.assign(i, v(n)), _(e, i);
}, C = (e, { taskPath: t, from: n, total: r, tasks: i, statuses: a }) => {
	let o = `${t}.`, s = Object.entries(e.statuses).filter(([e]) => !e.startsWith(o)), c = { statuses: {
		...Object.fromEntries(s),
		...a
	} };
	return t === "#" ? Object.assign(c, {
		tasks: i,
		window: {
			total: r,
			from: n
		}
	}) : c.tasks = l(e.tasks, t, {
		children: i,
		total: r,
		from: n
	}), _(e, c);
}, w = (e, t) => {
	if (!("id" in t) || t.id !== e.id) return e;
	switch (t.type) {
		case "workflowDescription": {
			let { tasks: n, total: r, from: i = 0 } = t, a = {
				statuses: {},
				blocks: {},
				logs: {},
				notice: null,
				problem: null,
				missing: !1
			}, o = r === void 0 ? null : {
				total: r,
				from: i
			};
			return _(e, {
				...a,
				tasks: n,
				window: o,
				...v({})
			});
		}
		case "setWorkflowStatus": return b(e, t);
		case "setTasksStatuses": return S(e, t);
		case "workflowBlock": return C(e, t);
		case "taskLog": {
			let { taskPath: n, from: r, lines: i, seq: a } = t, o = s(e.logs[n], r, i);
			return _(e, {
				logs: o === e.logs[n] ? e.logs : {
					...e.logs,
					[n]: o
				},
				seq: a
			});
		}
		case "executionError": {
			let { type: n, payload: r } = t.error;
			return _(e, {
				notice: {
					code: n,
					message: String(r?.message ?? "")
				},
				missing: n === "INSTANCE_NOT_FOUND",
				seq: t.seq ?? e.seq
			});
		}
		case "workflowDeleted": return _(e, {
			status: "deleted",
			color: "muted",
			problem: null,
			notice: null
		});
		case "appError": return _(e, {
			problem: t.error,
			missing: t.error.code === "INSTANCE_NOT_FOUND"
		});
		default: return e;
	}
}, T = (e, t) => {
	let n = new WebSocket(e.replace(/^http/, "ws"));
	return n.onmessage = ({ data: e }) => t.message(e), n.onclose = ({ code: e }) => t.closed(e), n;
}, E = (e) => {
	try {
		return new URL(e, globalThis.document?.baseURI ?? globalThis.location?.href).href;
	} catch {
		throw TypeError(`jobs-flow: "${e}" is no URL; where there is no page it has to be absolute`);
	}
}, D = (e) => {
	let t = {}, n = e.map(({ fold: e }) => e ?? Infinity), r = Math.max(...n);
	Number.isFinite(r) && (t.fold = r);
	let i = e.map((e) => e.logs ?? !0);
	if (!i.includes(!0)) {
		let e = [...new Set(i.flatMap((e) => Array.isArray(e) ? e : []))].sort();
		t.logs = e.length ? e : !1;
	}
	let a = e.filter((e) => e.ticket).at(-1)?.ticket;
	return a && (t.ticket = a), t;
}, O = [
	"setWorkflowStatus",
	"setTasksStatuses",
	"taskLog",
	"workflowBlock"
], k = class {
	state;
	told;
	entries = /* @__PURE__ */ new Set();
	asked = "";
	#e = !1;
	#t = !1;
	#n = 0;
	constructor(e) {
		this.state = this.told = m(e);
	}
	get wanted() {
		return [...this.entries].map(({ options: e }) => e);
	}
	get news() {
		return JSON.stringify(D(this.wanted)) !== this.asked;
	}
	ask() {
		let e = D(this.wanted), t = JSON.stringify(e);
		return t !== this.asked && (this.#e = this.#t = !1), this.asked = t, {
			...e,
			since: this.#t ? this.#n : void 0
		};
	}
	take(e) {
		return e.type === "appError" && e.ref !== void 0 && !String(e.ref).startsWith("watch ") || (e.type === "workflowDescription" && (this.#e = !0, this.#t = !1), !this.#e && O.includes(e.type)) || (this.state = w(this.state, e), "more" in e && e.more) || (this.#e && e.type !== "workflowBlock" && "seq" in e && e.seq !== void 0 && (this.#n = e.seq, this.#t = !0), this.state === this.told) ? !1 : (this.told = this.state, !0);
	}
}, A = 1, j = "/ws/jobs-flow/", M = (e) => {
	try {
		let t = JSON.parse(e);
		return typeof t == "object" ? t : null;
	} catch {
		return null;
	}
}, N = globalThis[Symbol.for("jobs-flow.clients")] ??= /* @__PURE__ */ new Map(), P = class extends EventTarget {
	static for(e = j, t = {}) {
		let n = E(e), r = N.get(n);
		return r || N.set(n, r = new this(n, t)), r;
	}
	clockOffset = 0;
	#e;
	#t = /* @__PURE__ */ new Map();
	#n = /* @__PURE__ */ new Map();
	#r = /* @__PURE__ */ new Set();
	#i = [];
	#a = 0;
	#o = null;
	constructor(e = j, { transport: t = T } = {}) {
		super(), this.#e = new n(E(e), t, {
			wanted: () => this.#t.size > 0 || this.#i.length > 0 || this.#n.size > 0,
			receive: (e) => this.#g(e),
			probe: () => this.#f(),
			dropped: () => this.#l(i.lost, (e) => e.sent),
			moved: (e) => this.#u(e)
		});
	}
	get connection() {
		return this.#e.state;
	}
	watch(e, t, n = {}) {
		let r = this.#t.get(e);
		r || this.#t.set(e, r = new k(e));
		let { entries: i, told: a } = r, o = {
			listener: t,
			options: n
		};
		return i.add(o), this.#p(r), (a.status || a.problem) && t(a), this.#e.wake(), () => {
			i.delete(o) && !i.size && this.#p(r);
		};
	}
	execute(e, t, n) {
		return this.#c({
			type: "executeTask",
			workflowId: e,
			taskPath: t,
			arg: n
		});
	}
	executeAll(e, t) {
		return this.#c({
			type: "executeAllTasks",
			workflowId: e,
			initialArg: t
		});
	}
	create(e, t = {}) {
		let { data: n, realm: r, name: i, key: a, execute: o } = t;
		return this.#c({
			type: "createWorkflowInstance",
			workflow: e,
			data: n,
			realm: r,
			name: i,
			key: a,
			execute: o
		});
	}
	resume(e, t = {}) {
		let { mode: n, taskPath: r, preview: i } = t;
		return this.#c({
			type: "resumeWorkflow",
			workflowId: e,
			mode: n,
			taskPath: r,
			preview: i
		});
	}
	cancel(e, { taskPath: t, undo: n } = {}) {
		return this.#c({
			type: "cancelWorkflow",
			workflowId: e,
			taskPath: t,
			undo: n
		});
	}
	pause(e) {
		return this.#c({
			type: "pauseWorkflow",
			workflowId: e
		});
	}
	unpause(e) {
		return this.#c({
			type: "unpauseWorkflow",
			workflowId: e
		});
	}
	reset(e, t = "#") {
		return this.#c({
			type: "resetWorkflow",
			workflowId: e,
			taskPath: t
		});
	}
	destroy(e) {
		return this.#c({
			type: "destroyWorkflow",
			workflowId: e
		});
	}
	setContextUpdaters(e, t, n) {
		return this.#c({
			type: "setContextUpdaters",
			workflowId: e,
			taskPath: t,
			updaters: n
		});
	}
	getTask(e, t) {
		return this.#c({
			type: "getTask",
			workflowId: e,
			taskPath: t,
			ticket: this.#s(e)
		});
	}
	getLogs(e, t, { from: n, limit: r } = {}) {
		return this.#c({
			type: "getTaskLogs",
			workflowId: e,
			taskPath: t,
			from: n,
			limit: r,
			ticket: this.#s(e)
		});
	}
	setWindow(e, t, n) {
		return this.#c({
			type: "setWindow",
			workflowId: e,
			taskPath: t,
			from: n
		});
	}
	reconnect() {
		this.#e.reconnect();
	}
	close() {
		this.#t.clear(), this.#l(i.lost), this.#e.close();
	}
	#s(e) {
		let t = this.#t.get(e);
		return t && D(t.wanted).ticket;
	}
	#c(e) {
		return new Promise((t, n) => {
			if (this.connection === "denied") return n(new r(i.denied));
			let a = ++this.#a;
			this.#n.set(a, {
				resolve: t,
				reject: n,
				sent: !1
			});
			let o = {
				...e,
				ref: a
			};
			this.#e.open ? this.#d(o) : this.#i.push(o), this.#e.wake();
		});
	}
	#l(e, t = () => !0) {
		for (let [n, i] of this.#n) t(i) && (this.#n.delete(n), i.reject(new r(e)));
		this.#i = this.#i.filter(({ ref: e }) => this.#n.has(e));
	}
	#u(e) {
		e === "denied" && this.#l(i.denied), e === "closed" ? (this.#o?.(), this.#o = null) : this.#o ??= a(this.#e, () => this.#f()), this.dispatchEvent(new CustomEvent("connection", { detail: e }));
	}
	#d(e) {
		let t = this.#n.get(e.ref);
		t && (t.sent = !0), this.#e.send(JSON.stringify(e));
	}
	#f() {
		let e = globalThis.document?.visibilityState !== "hidden";
		this.#d({
			type: "setVisibility",
			visible: e,
			ref: `look ${++this.#a}`
		});
	}
	#p(e) {
		this.#r.add(e), this.#r.size === 1 && queueMicrotask(() => this.#m());
	}
	#m() {
		let e = this.#e.open;
		for (let t of this.#r) {
			let { id: n } = t.state;
			this.#t.get(n) === t && (t.entries.size ? e && t.news && this.#h(t) : (this.#t.delete(n), e && t.asked && this.#d({
				type: "unwatchWorkflowInstance",
				workflowId: n
			})));
		}
		this.#r.clear(), this.#e.rest();
	}
	#h(e) {
		let { id: t } = e.state, n = u(e.state);
		this.#d({
			type: "watchWorkflowInstance",
			workflowId: t,
			...e.ask(),
			ref: `watch ${++this.#a}`
		});
		for (let { path: e, from: r } of n) this.#d({
			type: "setWindow",
			workflowId: t,
			taskPath: e,
			from: r,
			ref: `window ${++this.#a}`
		});
	}
	#g(e) {
		let t = M(e);
		if (!t) return;
		if (t.type === "hello") return this.#_(t);
		"ref" in t && this.#v(t);
		let n = "id" in t && this.#t.get(t.id ?? "");
		n && this.#y(n, t), t.type === "appError" && t.error.code === i.denied.code && this.#e.deny();
	}
	#_({ version: e, time: t }) {
		if (e !== 1 && console.warn(`jobs-flow: the server speaks version ${e}, this page 1`), this.clockOffset = t - Date.now(), !this.#e.open) {
			this.#e.greeted(), globalThis.document?.visibilityState === "hidden" && this.#f();
			for (let e of this.#t.values()) this.#h(e);
			for (let e of this.#i.splice(0)) this.#d(e);
			this.#e.rest();
		}
	}
	#v(e) {
		let t = this.#n.get(e.ref);
		t && (this.#n.delete(e.ref), e.type === "appError" ? t.reject(new r(e.error)) : t.resolve(e), this.#e.rest());
	}
	#y(e, t) {
		if (e.take(t)) {
			for (let { listener: t } of [...e.entries]) try {
				t(e.state);
			} catch (e) {
				"reportError" in globalThis ? reportError(e) : console.error(e);
			}
			this.dispatchEvent(new CustomEvent("state", { detail: e.state }));
		}
	}
}, F = (e) => {
	let t = Math.max(0, e) / 1e3;
	if (t < .9995) return `${Math.round(t * 1e3)} ms`;
	if (t < 9.95) return `${t.toFixed(1)} s`;
	if (t < 60) return `${Math.floor(t)} s`;
	let n = (e) => String(Math.floor(e)).padStart(2, "0");
	return t < 3600 ? `${Math.floor(t / 60)} min ${n(t % 60)} s` : `${Math.floor(t / 3600)} h ${n(t % 3600 / 60)} min`;
}, I = (e) => {
	let t = e.replace(/[_-]+/g, " ").trim();
	return t && t.charAt(0).toUpperCase() + t.slice(1);
}, L = ({ status: e, paused: t, cancelled: n, undo: r }) => e === "working" ? r === "running" ? "undoing" : n.includes("#") ? "cancelling" : t ? "paused" : e : e, R = (e) => Array.isArray(e) && e.every((e) => typeof e == "object" && !!e && !Array.isArray(e));
export { j as DEFAULT_URL, f as ENDED, p as FINISHED, P as JobsFlowClient, r as JobsFlowError, d as ROOT, A as VERSION, R as areUpdaters, t as backoff, F as duration, i as errors, m as initialState, I as readable, w as reduce, L as shownStatus, T as webSocket };
