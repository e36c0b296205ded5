package bench

// A Config says what to measure. Zero fields mean the defaults beside them.
type Config struct {
	Model   string // path of a GGUF file
	Threads int    // 1
	Prompts []int  // 128, 512: lengths in tokens
	Decode  int    // 64: tokens after a prompt of 16
	Repeats int    // 3
	Profile bool   // also measure where the time goes (Chromium)
	Rank    int    // also measure adapters of this rank (Chromium); 0: none
	Scratch string // where random adapters are kept
	Web     string // "web": the repository's folder of pages (Chromium)
	Cache   string // where compiled modules are kept (wazero); "" is nowhere
}

// contextLength is the sessions' length: what the peers' harness uses.
const contextLength = 1024

// decodePrompt is the prompt's length before decoding.
const decodePrompt = 16

func (c Config) withDefaults() Config {
	if c.Threads == 0 {
		c.Threads = 1
	}
	if len(c.Prompts) == 0 {
		c.Prompts = []int{128, 512}
	}
	if c.Decode == 0 {
		c.Decode = 64
	}
	if c.Repeats == 0 {
		c.Repeats = 3
	}
	if c.Web == "" {
		c.Web = "web"
	}
	return c
}

// promptIDs are n token ids that no other seed's begin with, so that nothing is found
// in the KV cache. The vocabulary has at least 320 entries, the first 259 are special
// or bytes in the synthetic models.
func promptIDs(n, seed, vocab int) []uint32 {
	ids := make([]uint32, n)
	span := min(vocab-3, 600)
	for i := range ids {
		ids[i] = uint32(3 + (seed*37+i*7919)%span)
	}
	return ids
}
