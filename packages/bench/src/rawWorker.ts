/**
 * The broker alone: its client exchanges the same messages without RPC.
 *
 * Replies to a publish are not awaited. Messages are Buffers with a header of 8 bytes: the slot of the caller, and the number of
 * its earlier requests.
 */
import { profileTask } from "./profile.ts"
import type { Connections } from "./raw/connections.ts"
import { Recorder } from "./recorder.ts"
import { endWithStdin, readTask, sayReady, sayResult, type Task } from "./worker.ts"

const headSize = 8
/** The length of a psrpc lock's key: the base64 of a SHA-256. */
const keySize = 44

/** Loads only the client of the row's broker. */
const connect = async ({ bus, url }: Task): Promise<Connections> =>
  bus === "nats"
    ? new (await import("./raw/nats.ts")).NatsConnections(url)
    : new (await import("./raw/redis.ts")).RedisConnections(url)

const viewOf = (message: Uint8Array): DataView => new DataView(message.buffer, message.byteOffset)
const slotOf = (message: Uint8Array): number => viewOf(message).getUint32(0)
const numberOf = (message: Uint8Array): number => viewOf(message).getUint32(4)

const serve = async (task: Task): Promise<void> => {
  const { mode, run } = task
  const connections = await connect(task)
  const waiting = new Map<number, Uint8Array>()
  const answer = (message: Uint8Array): void => connections.publish(`${run}|RES`, message)
  const claim = (message: Uint8Array): void => {
    const slot = slotOf(message)
    connections.lock(`${run}|${slot}|${numberOf(message)}|`.padEnd(keySize, "="), () => {
      waiting.set(slot, message)
      connections.publish(`${run}|CLAIM`, message.subarray(0, headSize))
    })
  }
  const chosen = (message: Uint8Array): void => {
    const slot = slotOf(message)
    const request = waiting.get(slot)
    if (request === undefined) return
    waiting.delete(slot)
    answer(request)
  }
  // an update has no server: a second connection of the client receives it
  if (mode !== "raw-1") {
    await connections.listen({ [`${run}|REQ`]: mode === "raw-2" ? answer : claim, [`${run}|RCLAIM`]: chosen })
  }
  endWithStdin(() => process.exit(0))
  sayReady()
}

const measure = async (task: Task): Promise<void> => {
  endWithStdin()
  const { concurrency, mode, payload, run } = task
  const connections = await connect(task)
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const body = Buffer.alloc(payload, 97)
  const starts = new Float64Array(concurrency)
  const asked = new Uint32Array(concurrency)
  let running = concurrency
  const ask = (slot: number): void => {
    const message = Buffer.allocUnsafe(headSize + payload)
    message.writeUInt32BE(slot, 0)
    message.writeUInt32BE(++asked[slot]!, 4)
    message.set(body, headSize)
    starts[slot] = performance.now()
    connections.publish(`${run}|REQ`, message)
  }
  const arrived = (answer: Uint8Array): void => {
    const slot = slotOf(answer)
    const isRight = numberOf(answer) === asked[slot] && answer.length === headSize + payload
    const goesOn = isRight ? recorder.succeeded(starts[slot]!) : recorder.failed("wrong response")
    if (goesOn) ask(slot)
    else if (--running === 0) resolve()
  }
  if (mode === "raw-1") {
    const other = await connect(task)
    await other.listen({ [`${run}|REQ`]: arrived })
    await connections.listen({})
  } else {
    await connections.listen({
      [`${run}|CLAIM`]: (claim) => connections.publish(`${run}|RCLAIM`, claim),
      [`${run}|RES`]: arrived
    })
  }
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
