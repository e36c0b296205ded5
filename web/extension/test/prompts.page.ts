// Lets tests reach what turns a page's text into a prompt.

import { Engine } from "../../src/index.js";
import { continuation, conversation, maxText, withoutControls } from "../prompts.js";

Object.assign(globalThis, { Engine, continuation, conversation, maxText, withoutControls });
