// What the platform loads: the Go worker and the class of its Durable Object.
export { default } from "./worker.mjs";
export { State } from "./state.mjs";
