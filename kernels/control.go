package kernels

// The control block is where threads of one tape meet. The engine allocates
// ControlBytes zero bytes, passes the address to run, and the host gives it to
// every helper. Offsets in bytes; all words are int32.
const (
	ControlJob      = 0  // number of the latest tape; helpers wait here
	ControlTape     = 4  // its address
	ControlOps      = 8  // its length
	ControlThreads  = 12 // threads that walk it
	ControlCount    = 16 // threads waiting at the barrier
	ControlPhase    = 20 // barriers passed
	ControlSleepers = 24 // threads asleep at the barrier
	ControlIdle     = 28 // helpers asleep between tapes
	ControlState    = 32 // StateRun, StateStop, StateFailed
	ControlArrived  = 36 // helpers that have arrived

	ControlScratch = 64 // scratch of thread 0; thread i's is i·ScratchBytes further
)

// Values of ControlState.
const (
	StateRun    = 0
	StateStop   = 1 // helpers return
	StateFailed = 2 // a helper died: whoever waits for it traps
)

// MaxQueries is the largest number of queries that share a kv head within the
// tokens of one unit of Attention.
const MaxQueries = AttentionTokens * MaxGroup

// MaxGroup is the largest number of query heads per kv head.
const MaxGroup = 128

// MaxHeadDim is the largest head that Attention takes, in values.
const MaxHeadDim = 1024

// ScratchBytes is each thread's scratch: unpacked groups of a matrix of up to
// MaxK columns or the tables of as many activations, or the scores, slots and state
// of Attention.
const ScratchBytes = MaxK * 8

// ControlBytes is the size of the control block for up to threads threads.
func ControlBytes(threads int) int { return ControlScratch + threads*ScratchBytes }

// NumCodes is the number of operation codes.
const NumCodes = int(nCodes)

// Byte offsets of a record's flags and of the words that split its work.
const (
	RecordFlags = 4
	RecordUnits = 4 * wordUnits
	RecordGrain = 4 * wordGrain
	RecordTaken = 4 * wordTaken
)
