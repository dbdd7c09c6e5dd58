/**
 * The broker alone: what ioredis makes of the same exchange without any RPC on top, used as well as it can be.
 *
 * Each process has a connection that publishes and one that is subscribed. The commands of one turn of the event loop
 * are corked and leave in one write, which is faster than ioredis as it comes and than its autopipelining. Nobody waits
 * for the reply to a PUBLISH. Messages are Buffers with a head of 8 bytes: who asks, and how often before.
 */
import { Redis } from "ioredis"
import { profileTask } from "./profile.ts"
import { Recorder } from "./recorder.ts"
import { endWithStdin, readTask, sayReady, sayResult, type Task } from "./worker.ts"

const headSize = 8
const lockSeconds = 5
/** A psrpc lock's key is the base64 of a SHA-256. */
const keySize = 44

/** Without another try: a connection that breaks ends the row. */
const connect = (url: string): Redis => {
  const redis = new Redis(url, { retryStrategy: () => null })
  redis.on("error", (error) => {
    throw error
  })
  return redis
}

class Connections {
  readonly #pub: Redis
  readonly #sub: Redis
  #corked: Redis["stream"] | undefined
  readonly #uncork = (): void => {
    this.#corked?.uncork()
    this.#corked = undefined
  }

  constructor(url: string) {
    this.#pub = connect(url)
    this.#sub = connect(url)
  }

  async listen(listeners: Readonly<Record<string, (message: Buffer) => void>>): Promise<void> {
    const byChannel = new Map(Object.entries(listeners))
    this.#sub.on("messageBuffer", (channel: Buffer, message: Buffer) => byChannel.get(channel.toString())?.(message))
    await this.#sub.subscribe(...byChannel.keys())
    await this.#pub.ping()
  }

  #cork(): void {
    if (this.#corked !== undefined) return
    this.#corked = this.#pub.stream
    this.#corked.cork()
    setImmediate(this.#uncork)
  }

  /** A failure is nobody's to handle, so it ends the process. */
  publish(channel: string, message: Buffer): void {
    this.#cork()
    void this.#pub.publish(channel, message)
  }

  lock(key: string, won: () => void): void {
    this.#cork()
    void this.#pub.set(key, "1", "EX", lockSeconds, "NX").then((reply) => {
      if (reply === "OK") won()
    })
  }
}

const serve = async ({ mode, run, url }: Task): Promise<void> => {
  const connections = new Connections(url)
  const waiting = new Map<number, Buffer>()
  const answer = (message: Buffer): void => connections.publish(`${run}|RES`, message)
  const claim = (message: Buffer): void => {
    const slot = message.readUInt32LE(0)
    connections.lock(`${run}|${slot}|${message.readUInt32LE(4)}|`.padEnd(keySize, "="), () => {
      waiting.set(slot, message)
      connections.publish(`${run}|CLAIM`, message.subarray(0, headSize))
    })
  }
  const chosen = (message: Buffer): void => {
    const slot = message.readUInt32LE(0)
    const request = waiting.get(slot)
    if (request === undefined) return
    waiting.delete(slot)
    answer(request)
  }
  await connections.listen({ [`${run}|REQ`]: mode === "raw-2" ? answer : claim, [`${run}|RCLAIM`]: chosen })
  endWithStdin(() => process.exit(0))
  sayReady()
}

const measure = async (task: Task): Promise<void> => {
  endWithStdin()
  const { concurrency, payload, run, url } = task
  const connections = new Connections(url)
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const body = Buffer.alloc(payload, 97)
  const starts = new Float64Array(concurrency)
  const asked = new Uint32Array(concurrency)
  let running = concurrency
  const ask = (slot: number): void => {
    const message = Buffer.allocUnsafe(headSize + payload)
    message.writeUInt32LE(slot, 0)
    message.writeUInt32LE(++asked[slot]!, 4)
    message.set(body, headSize)
    starts[slot] = performance.now()
    connections.publish(`${run}|REQ`, message)
  }
  await connections.listen({
    [`${run}|CLAIM`]: (claim) => connections.publish(`${run}|RCLAIM`, claim),
    [`${run}|RES`]: (answer) => {
      const slot = answer.readUInt32LE(0)
      const isRight = answer.readUInt32LE(4) === asked[slot] && answer.length === headSize + payload
      const goesOn = isRight ? recorder.succeeded(starts[slot]!) : recorder.failed("not what was asked for")
      if (goesOn) ask(slot)
      else if (--running === 0) resolve()
    }
  })
  const recorder = new Recorder(task)
  const profiled = profileTask(task)
  for (let slot = 0; slot < concurrency; slot++) ask(slot)
  await done
  await profiled
  await sayResult(recorder.result())
  process.exit(0)
}

const task = readTask()
await (task.role === "server" ? serve(task) : measure(task))
