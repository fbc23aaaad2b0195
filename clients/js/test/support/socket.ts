/** WebSockets whose other end is the test. */
import { vi } from "vitest";
import type { Message, Request } from "../../src/index.js";

export class FakeSocket {
  static all: FakeSocket[] = [];
  static CONNECTING = 0;

  /** The latest one. */
  static get last(): FakeSocket {
    const socket = this.all.at(-1);
    if (!socket) throw new Error("nobody opened a socket");
    return socket;
  }

  /** Put it in the place of the real one; sockets of earlier tests are forgotten. */
  static install(): void {
    this.all = [];
    vi.stubGlobal("WebSocket", this);
  }

  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;
  greeted = false;
  sent: Request[] = [];
  /** Called with each request, after the present turn. */
  server: ((request: Request) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    if (!this.greeted) throw new Error("sent before the greeting");
    if (this.closed) throw new Error("sent after the end");
    const request = JSON.parse(text) as Request;
    this.sent.push(request);
    if (this.server) queueMicrotask(() => this.server?.(request));
  }

  close(): void {
    this.closed = true;
  }

  /** The server speaks. */
  say(...messages: Message[]): void {
    for (const message of messages) if (!this.closed) this.onmessage?.({ data: JSON.stringify(message) });
  }

  greet(time = Date.now()): this {
    this.greeted = true;
    this.say({ type: "hello", version: 1, time });
    return this;
  }

  /** The server, or the way to it, is gone. */
  break(code = 1006): void {
    if (this.closed) return;
    this.closed = true;
    this.onclose?.({ code });
  }

  /** What was asked of that kind. */
  asked<Type extends Request["type"]>(type: Type): Array<Extract<Request, { type: Type }>> {
    return this.sent.filter((request): request is Extract<Request, { type: Type }> => request.type === type);
  }
}

/** Let everything happen that is due in this turn of the event loop. */
export const turn = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await Promise.resolve();
};
