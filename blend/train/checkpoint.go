package train

import (
	"encoding/binary"
	"math"

	"pastel/blend/digest"
	"pastel/fault"
)

const checkpointMagic = "PSTLTRN1"

// snapshot writes magic, seed, step, count, parameters and moments, and the
// SHA-256 of all that.
func (o *adamW) snapshot(params []float64, seed uint64) []byte {
	b := []byte(checkpointMagic)
	for _, n := range []uint64{seed, uint64(o.step), uint64(len(params))} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	for _, list := range [][]float64{params, o.m, o.v} {
		for _, v := range list {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	sum := digest.Sum(b)
	return append(b, sum[:]...)
}

// restore reads a snapshot of a run over as many parameters with the same seed.
//
// Errors: fault.BadFile for bytes that are no checkpoint, fault.Hash when they
// changed, fault.BadRequest for a checkpoint of another run.
func (o *adamW) restore(b []byte, params []float64, seed uint64) error {
	head := len(checkpointMagic) + 24
	if len(b) < head+digest.Size || string(b[:len(checkpointMagic)]) != checkpointMagic {
		return fault.New(fault.BadFile, "train: ", len(b), " bytes are no checkpoint")
	}
	body := b[:len(b)-digest.Size]
	if sum := digest.Sum(body); string(sum[:]) != string(b[len(body):]) {
		return fault.New(fault.Hash, "train: the checkpoint does not match its digest")
	}
	number := func(i int) uint64 { return binary.LittleEndian.Uint64(b[len(checkpointMagic)+8*i:]) }
	if number(0) != seed || number(2) != uint64(len(params)) || len(body)-head != 24*len(params) {
		return fault.New(fault.BadRequest, "train: the checkpoint is of seed ", number(0), " and ", number(2), " parameters, this run of ", seed, " and ", len(params))
	}
	o.step = int(number(1))
	values := body[head:]
	for _, list := range [][]float64{params, o.m, o.v} {
		for i := range list {
			list[i] = math.Float64frombits(binary.LittleEndian.Uint64(values))
			values = values[8:]
		}
	}
	return nil
}
