// Tasks and records as package eval has them; a line of JSON each. Twin of
// eval/task.go: what one side refuses, the other does.

/** One question with its right answer. */
export interface Task {
  readonly id: string;
  readonly set: string;
  readonly prompt: string;
  /** Continuations of the prompt, of which number gold is right. */
  readonly choices?: readonly string[];
  readonly gold: number;
  /** In place of choices: rival beginnings that continuation ends. */
  readonly contexts?: readonly string[];
  readonly continuation?: string;
  /** The answer to write, word for word. */
  readonly target?: string;
}

/** How a task is graded. */
export type Kind = "choice" | "exact" | "perplexity";
/** How multiple choice is scored. */
export type Method = "loglik" | "norm" | "letter";

/** What one model made of one task. */
export interface Answer {
  readonly choice: number;
  readonly text?: string;
  readonly right: boolean;
  readonly confidence: number;
  readonly nll?: number;
  readonly tokens?: number;
}

/** One graded task, a line of the results. */
export interface EvalRecord {
  readonly id: string;
  readonly set: string;
  readonly kind: Kind;
  readonly method?: Method;
  readonly device: Answer;
  readonly server?: Answer;
  readonly seconds: number;
  readonly server_seconds?: number;
}

/** How a task is graded. */
export function kindOf(t: Task): Kind {
  if (options(t) > 0) return "choice";
  return t.target ? "exact" : "perplexity";
}

/** The number of answers to choose from. */
export function options(t: Task): number {
  return Math.max(t.choices?.length ?? 0, t.contexts?.length ?? 0);
}

/** Reads a file of tasks. Throws an Error that names the line. */
export function readTasks(text: string): Task[] {
  const seen = new Set<string>();
  const tasks: Task[] = [];
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    const t = parse(line, i + 1);
    const wrong = seen.has(t.id) ? `task ${t.id} is there twice` : problem(t);
    if (wrong) throw new Error(`line ${i + 1}: ${wrong}`);
    seen.add(t.id);
    tasks.push(t);
  });
  return tasks;
}

function parse(line: string, n: number): Task {
  try {
    return { id: "", set: "", prompt: "", gold: 0, ...(JSON.parse(line) as Partial<Task>) };
  } catch (err) {
    throw new Error(`line ${n}: ${String(err)}`);
  }
}

/** Why a task cannot be graded, "" when it can. */
function problem(t: Task): string {
  if (!t.id || !t.set) return "a task without an id or a set";
  if (t.choices?.length && (t.contexts?.length || t.target)) return `task ${t.id} has several kinds of answers`;
  const n = options(t);
  if (kindOf(t) === "choice" && !(n >= 2 && Number.isInteger(t.gold) && t.gold >= 0 && t.gold < n))
    return `task ${t.id}: answer ${t.gold} of ${n}`;
  if (t.contexts?.length && !t.continuation) return `task ${t.id} has contexts and no continuation`;
  if (kindOf(t) !== "choice" && t.prompt.trim() === "") return `task ${t.id} has no prompt`;
  return "";
}
