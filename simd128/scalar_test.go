package simd128

import (
	"context"
	"regexp"
	"strings"
	"testing"
)

// scalarCases has an instruction, its operands and its result on each line, worked out by hand from the
// specification's chapter 4.3 (numerics).
const scalarCases = `
i32.eqz 0 = 1
i32.eq 5 5 = 1
i32.ne 5 5 = 0
i32.lt_s -1 1 = 1
i32.lt_u -1 1 = 0
i32.gt_s -1 1 = 0
i32.gt_u -1 1 = 1
i32.le_s -1 -1 = 1
i32.le_u -1 1 = 0
i32.ge_s -1 1 = 0
i32.ge_u -1 1 = 1
i32.clz 1 = 31
i32.ctz 8 = 3
i32.popcnt 0xf0f0 = 8
i32.add 0x7fffffff 1 = 0x80000000
i32.sub 3 5 = -2
i32.mul 0x10000 0x10001 = 0x10000
i32.div_s -7 2 = -3
i32.div_u -1 2 = 0x7fffffff
i32.rem_s -7 2 = -1
i32.rem_u -1 10 = 5
i32.and 12 10 = 8
i32.or 12 10 = 14
i32.xor 12 10 = 6
i32.shl 1 33 = 2
i32.shr_s -8 1 = -4
i32.shr_u -8 1 = 0x7ffffffc
i32.rotl 0x80000001 1 = 3
i32.rotr 3 1 = 0x80000001
i32.extend8_s 0x180 = -128
i32.extend16_s 0x18000 = -32768
i64.eqz 1 = 0
i64.eq 5 5 = 1
i64.ne 5 5 = 0
i64.lt_s -1 1 = 1
i64.lt_u -1 1 = 0
i64.gt_s -1 1 = 0
i64.gt_u -1 1 = 1
i64.le_s -1 -1 = 1
i64.le_u -1 1 = 0
i64.ge_s -1 1 = 0
i64.ge_u -1 1 = 1
i64.clz 1 = 63
i64.ctz 8 = 3
i64.popcnt 0xf0f0 = 8
i64.add 0x7fffffffffffffff 1 = 0x8000000000000000
i64.sub 3 5 = -2
i64.mul 0x100000000 0x100000001 = 0x100000000
i64.div_s -7 2 = -3
i64.div_u -1 2 = 0x7fffffffffffffff
i64.rem_s -7 2 = -1
i64.rem_u -1 10 = 5
i64.and 12 10 = 8
i64.or 12 10 = 14
i64.xor 12 10 = 6
i64.shl 1 65 = 2
i64.shr_s -8 1 = -4
i64.shr_u -8 1 = 0x7ffffffffffffffc
i64.rotl 0x8000000000000001 1 = 3
i64.rotr 3 1 = 0x8000000000000001
i64.extend8_s 0x180 = -128
i64.extend16_s 0x18000 = -32768
i64.extend32_s 0x180000000 = -2147483648
f32.eq 1 1 = 1
f32.ne nan nan = 1
f32.lt 1 2 = 1
f32.gt 1 2 = 0
f32.le nan 1 = 0
f32.ge 2 2 = 1
f32.abs -0 = 0
f32.neg 1.5 = -1.5
f32.ceil 1.2 = 2
f32.floor -1.2 = -2
f32.trunc -1.9 = -1
f32.nearest 2.5 = 2
f32.sqrt 9 = 3
f32.add 16777216 1 = 16777216
f32.sub 1 0.5 = 0.5
f32.mul 3 0.5 = 1.5
f32.div 1 0 = inf
f32.min -0 0 = -0
f32.max -0 0 = 0
f32.copysign 3 -1 = -3
f64.eq 1 1 = 1
f64.ne nan nan = 1
f64.lt 1 2 = 1
f64.gt 1 2 = 0
f64.le nan 1 = 0
f64.ge 2 2 = 1
f64.abs -0 = 0
f64.neg 1.5 = -1.5
f64.ceil 1.2 = 2
f64.floor -1.2 = -2
f64.trunc -1.9 = -1
f64.nearest 2.5 = 2
f64.sqrt 9 = 3
f64.add 16777216 1 = 16777217
f64.sub 1 0.5 = 0.5
f64.mul 3 0.5 = 1.5
f64.div 1 0 = inf
f64.min -0 0 = -0
f64.max -0 0 = 0
f64.copysign 3 -1 = -3
i32.wrap_i64 0x700000002 = 2
i32.trunc_f32_s -1.9 = -1
i32.trunc_f32_u 3000000000 = 3000000000
i32.trunc_f64_s -1.9 = -1
i32.trunc_f64_u 3000000000 = 3000000000
i64.extend_i32_s -1 = -1
i64.extend_i32_u -1 = 0xffffffff
i64.trunc_f32_s -1.9 = -1
i64.trunc_f32_u 0x1p63 = 0x8000000000000000
i64.trunc_f64_s -1.9 = -1
i64.trunc_f64_u 0x1p63 = 0x8000000000000000
f32.convert_i32_s -1 = -1
f32.convert_i32_u -1 = 4294967296
f32.convert_i64_s -1 = -1
f32.convert_i64_u -1 = 0x1p64
f32.demote_f64 1.5 = 1.5
f64.convert_i32_s -1 = -1
f64.convert_i32_u -1 = 4294967295
f64.convert_i64_s -1 = -1
f64.convert_i64_u -1 = 0x1p64
f64.promote_f32 1.5 = 1.5
i32.reinterpret_f32 1 = 0x3f800000
i64.reinterpret_f64 1 = 0x3ff0000000000000
f32.reinterpret_i32 0x3f800000 = 1
f64.reinterpret_i64 0x3ff0000000000000 = 1
i32.trunc_sat_f32_s nan = 0
i32.trunc_sat_f32_u -1 = 0
i32.trunc_sat_f64_s 1e10 = 0x7fffffff
i32.trunc_sat_f64_u 1e10 = 0xffffffff
i64.trunc_sat_f32_s -inf = 0x8000000000000000
i64.trunc_sat_f32_u -1 = 0
i64.trunc_sat_f64_s 1e20 = 0x7fffffffffffffff
i64.trunc_sat_f64_u 1e20 = 0xffffffffffffffff
`

var (
	comparison = regexp.MustCompile(`\.(eqz|eq|ne|lt|gt|le|ge)(_[su])?$`)
	converted  = regexp.MustCompile(`_([if](?:32|64))(_[su])?$`)
)

// TestScalar runs every scalar instruction.
func TestScalar(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(scalarCases), "\n") {
		words := strings.Fields(line)
		name, args, want := words[0], words[1:len(words)-2], words[len(words)-1]
		in, out := name[:3], name[:3]
		if c := converted.FindStringSubmatch(name); c != nil {
			in = c[1]
		}
		if comparison.MatchString(name) {
			out = "i32"
		}
		seen[name] = true
		t.Run(name, func(t *testing.T) { runScalar(t, name, in, out, args, want) })
	}
	for _, o := range specOps {
		if (o.prefix == 0 || o.prefix == 0xfc) && o.mem == 0 && !seen[o.name] {
			t.Errorf("no case for %s", o.name)
		}
	}
}

// runScalar calls a function that is the instruction name.
func runScalar(t *testing.T, name, in, out string, args []string, want string) {
	m := &Module{}
	f := m.Func("f")
	f.Export("f")
	f.Results(wastType(out))
	var nodes []*node
	var bits []uint64
	for _, a := range args {
		nodes = append(nodes, f.param(wastType(in), "x"))
		bits = append(bits, literal(in, a))
	}
	f.Return(methodOf[name](nodes, nil))
	got, err := instantiate(t, m).ExportedFunction("f").Call(context.Background(), bits...)
	if err == nil && out[1:] == "32" {
		got[0] &= 1<<32 - 1 // wazero leaves the upper half of a 32-bit result undefined
	}
	if err != nil || got[0] != literal(out, want) {
		t.Errorf("%s(%v) = %#x, %v, want %s", name, args, got, err, want)
	}
}

// literal is the bits of a literal of a type.
func literal(typ, s string) uint64 {
	bits := 32
	if typ[1:] == "64" {
		bits = 64
	}
	if typ[0] == 'f' {
		return parseFloat(s, bits)
	}
	return parseInt(s, bits)
}
