// Package lab runs and times kernels where they really run: in Chromium and in
// wazero, either flavour, with one thread or several. Tests use it to compare
// executors, make bench uses it to print the table of speeds beside the machine's
// limits, and a rival build of the kernels is timed here beside the product:
//
//	go run ./kernels/gen /tmp/rival        # in the tree that holds the rival
//	go test -run '^$' -bench Table -benchtime 1x ./kernels/lab -args \
//		-lab.machines chromium/relaxed/threads=1 -lab.run 'decode|prefill' -lab.rival /tmp/rival/kernels-relaxed.wasm
//
// Calls take turns inside every round and the shortest of each counts, so a busy
// machine disturbs both alike.
//
// # What won and what lost
//
// Speed of the first divided by that of the second, Chromium 156, relaxed flavour,
// one thread, Sapphire Rapids (AVX-VNNI), both in one run:
//
//   - Rows turned by their number, activations stored twice and loaded plainly, against
//     broadcast loads (V8 makes two instructions of one with an offset), vector constants
//     in locals (three instructions at each use otherwise): Q4_0 matvec 1.09 to 1.17,
//     tiles of 2 to 16 tokens 1.04 to 1.15.
//   - Sums of a block split in two: 1.11 for one token; 0.93 to 0.96 in tiles, where V8
//     spills: tiles keep one sum.
//   - Two groups at a time for one token, first one then the other: 1.0 (V8 keeps eight
//     loads of activations alive and spills); in turns, vector by vector: 1.11 over that.
//   - Tiles of two groups and four tokens, against one group and six: prefill 1.15 to 1.18,
//     float32 1.3 to 1.6. What counts is loads per dot product (0.75 against 1.17), since V8
//     does not fold a load into the instruction that uses it. 2×3 gave 1.09, 3×3 and 2×5 the
//     same as 2×4, 4×2 0.92 and 3×4 0.90 of it (registers).
//   - Scales of tiles as float32, against widening float16 there: 1.00 to 1.08.
//   - One activation scale for a whole token (not for 32 columns), in tiles of six: 1.08.
//     No scales at all: 1.14. Not adopted: outliers of one column would cost all others.
//   - One tile function with a branch for minimums, against two: 0.99, and 5.6 KB less.
//   - Unpacking to bytes for tiles, against a tile kernel per format: prefill of 128 tokens
//     0.98 to 1.16, six tokens 0.80, and 40 KB less.
//   - Loads that touch the weights that come next, one token, three groups at a time. Line by
//     line, one tile of groups ahead: 1.25 for rows of 2048 columns and 1.45 for 576. Four pages
//     side by side, a line of each in turn and the first line of the next four early (product):
//     1.5 to 1.7 over that, Q4_0 15 instead of 9.5 GB/s. In order with the first eight lines of the
//     next page early: 1.2 to 1.4. Two pages 1.15, eight 1.6, six 1.5, sixteen lines at once 1.0 (as
//     many misses as a core can have). In C, x86's own prefetch instruction reaches less: 1.4. Float32
//     weights are read as fast without, two groups being two runs.
//   - Shares of a matrix for two threads, one token, from memory, microseconds for 500 KB: halves
//     18.3, quarters 20.2 (product: no thread has to be as fast as the other), shares of a quarter
//     of what is left 24.2, of an eighth 28.6, 64 KB 26. Each share begins unforeseen.
//   - Loads from the highest address down, in wazero: 1.05 to 1.25 for tiles, 1.2 to 1.3 for
//     attention. It checks an address only above what it has checked on the same pointer.
//   - Two queries and four vectors of the cache, against four and two, with all of a float16
//     or int8 cache widened before and four keys to a turn: attention in wazero 1.37 to 1.43,
//     one token 1.2 to 1.42; V8 without relaxed SIMD 0.96 to 1.06. A broadcast is mov, pinsrd and
//     pshufd in wazero, and pinsrd waits for what its register held before. Widening all where
//     one token reads its cache once: V8 relaxed 0.82 to 0.85, so that flavour keeps four and two.
//   - The same for float matrices, two tokens by four groups: wazero 1.05 to 1.23, with eight
//     columns to a turn 1.27; V8 0.98 to 1.02.
//   - 128 bytes to a turn in rmsnorm and add, against 16: wazero 3.8 and 3.2 (64 bytes: 2.4), V8
//     1.4 to 1.6 (four sums instead of one) and 1.3. A check is nine instructions in wazero: the memory
//     is shared, so its length is loaded each time, and the code for failing lies in between.
//   - exp with rounding by adding 1.5·2²³ and pmin, against nearest, trunc_sat and min
//     (five and six instructions each): glu 1.85, and 2.0 more with constants in locals;
//     quantize 3.9.
//   - A block of a float16 cache widened once for all its queries: attention 1.25 to 1.48.
//   - Sums of four activations looked up in tables (T-MAC), exact, for ternary weights,
//     against their dot product: 0.72 to 0.77 relaxed (34 and 46 Gmac/s), 2.7 in the baseline
//     (29 and 11), whose bytes have no dot product. See Lookup. The baseline's kernel, which
//     keeps groups of four rows and takes integers up to three: 1.9 over unpacked bytes from
//     the second level of the cache, 1.8 from memory, 1.2 in wazero. Turning four groups into
//     sixteen rows is 6% of it, scales 10%; touching the weights ahead 1.15 from memory.
//   - A function that stores four rows of one token, called, against code of its own in every
//     tile: 0.98 to 1.00 in Chromium (rows of 16 columns 0.86), Q8_0 0.93 in wazero, 120 bytes
//     a group less.
//   - Nonlinearities by one function for all operations: 1.00, 3.2 KB less. BF16 without a
//     function of its own for one token: 0.33, 1.7 KB less, not adopted.
//   - A function for one token that reads packed weights, against unpacking them two groups at
//     a time: TQ2_0 2.0, IQ4_NL 1.5, Q5_0 and Q5_K 1.3, at 2 KB each.
//   - Scales of superblocks applied to the sums of superblocks, against to every block: Q4_K
//     1.05 to 1.1, Q6_K 1.03; two groups instead of three: Q6_K 1.06, Q4_K 1.0, 0.8 KB less.
//   - Q6_K with every fourth vector spread over the two highest bits of the other three, against
//     planes of four and of two bits: 1.18.
//
// The tile of two groups and four tokens reaches 0.67 to 0.72 of the dot instruction's
// rate. V8's code for it (node --print-wasm-code) has 64 dot products, 48 loads of operands
// and 55 other instructions in a block; dot, multiply-add and multiply share two ports,
// which bounds it at 0.80.
//
// # What meeting costs
//
// Operations of a few nanoseconds, 256 to a tape, two threads, nanoseconds for each
// (handover/same: left to one thread with kernels.FlagSame; handover/barrier: a barrier after each):
//
//	go test -run '^$' -bench Table -benchtime 1x ./kernels/lab -args -lab.run handover -lab.rounds 60
//
//	                            same    barrier
//	one thread, Chromium           6          7
//	one thread, wazero            17         19
//	Chromium, both cores free   5..8   390..470
//	Chromium, one core taken      34       3600
//	wazero, both cores free       21   340..400
//	wazero, one core taken        80       8500
//
// So a barrier costs 0.4 µs, as much as multiplying 20 000 weights: what is shorter than that is
// better left to one thread. A token of the 135M shape (Q4_0) has nine a layer and three more: 0.11 ms. Where
// another process takes a core, threads sleep and are woken at each: ten to twenty-five times that,
// which is why two threads gain little on a busy machine.
//
// # What memory gives
//
// A core recognises a run of addresses inside a page of 4 KB and reads some twenty lines ahead of it; each
// page begins anew. One thread reads 11 to 13 GB/s in order, and side by side from
// 2, 3, 4 and 8 pages 16, 18, 19 and 20 (two threads 23, and 29 to 39). limit/read is the last.
//
// Nothing in the product imports this package. It must not know models, files or sessions.
package lab
