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
//   - Sums of a block split in two: 1.11 for one token; 0.93 to 0.96 for six, where V8
//     spills: six tokens keep one sum.
//   - Two groups at a time for one token, first one then the other: 1.0 (V8 keeps eight
//     loads of activations alive and spills); in turns, vector by vector: 1.11 over that.
//   - Unpacking to bytes for tiles of six, against a tile kernel per format: prefill of 128
//     tokens 0.98 to 1.16, six tokens 0.80, and 40 KB less. A tile of four tokens was 1.5
//     times as fast as four of one and cost 17 KB: dropped.
//   - exp with rounding by adding 1.5·2²³ and pmin, against nearest, trunc_sat and min
//     (five and six instructions each): glu 1.85, and 2.0 more with constants in locals;
//     quantize 3.9.
//   - A block of a float16 cache widened once for all its queries: attention 1.25 to 1.48.
//
// What holds the tile of six tokens at 0.55 to 0.60 of the dot instruction's rate: the
// same instructions in a loop of native code reach 0.67 of it, without the four
// instructions per token and block that apply the scales 0.90, without loads of activations
// 0.71. Dot, multiply-add and multiply share two ports; sharing one activation scale
// between several blocks would gain most and cost accuracy, and was not tried.
//
// Nothing in the product imports this package. It must not know models, files or sessions.
package lab
