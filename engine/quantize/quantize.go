package quantize

import (
	"io"
	"math"

	"pastel/engine/gguf"
	"pastel/engine/tensor"
	"pastel/fault"
)

// stepElems is how many weights are in memory at a time.
const stepElems = 1 << 16

// A Figure is what one tensor's conversion cost.
type Figure struct {
	Name     string
	From, To tensor.Type
	RMSE     float64 // root of the mean squared difference, in units of the weights
	RelRMSE  float64 // RMSE over the root mean square of the weights; 0 for all-zero weights
}

// File reads a GGUF of F32, F16 and BF16 tensors and writes it with its matrices
// as typ. Metadata is kept, but for general.file_type and
// general.quantization_version. report, if not nil, gets a figure for every
// tensor in turn. A few hundred kilobytes are in memory at a time, not the file.
//
// Errors: those of reading and writing; ERR_UNSUPPORTED_TYPE for a typ that
// cannot be written; ERR_BAD_REQUEST for tensors that are quantized already.
func File(in io.ReaderAt, size int64, out io.Writer, typ tensor.Type, report func(Figure)) error {
	if !typ.CanQuantize() {
		return fault.New(fault.UnsupportedType, "quantize: cannot write ", typ)
	}
	src, err := gguf.Read(in, size)
	if err != nil {
		return err
	}
	dst, err := plan(src, typ)
	if err != nil {
		return err
	}
	return gguf.Write(out, dst, func(w io.Writer, t gguf.TensorInfo) error {
		from, _ := src.Tensor(t.Name)
		fig, err := convert(w, in, from, t.Type)
		if err == nil && report != nil {
			report(fig)
		}
		return err
	})
}

// plan is the header of the file to be written.
func plan(src *gguf.File, typ tensor.Type) (*gguf.File, error) {
	dst := &gguf.File{}
	for _, key := range src.Metadata.Keys() {
		dst.Metadata.Copy(key, &src.Metadata)
	}
	if ft, ok := fileTypes[typ]; ok {
		dst.Metadata.Set("general.file_type", ft)
	}
	dst.Metadata.Set("general.quantization_version", uint32(2))
	_, hasOutput := src.Tensor("output.weight")
	for _, t := range src.Tensors {
		to := TypeFor(t, typ, IsOutput(t.Name, !hasOutput))
		if to != t.Type && !isFloat(t.Type) {
			return nil, fault.New(fault.BadRequest, "quantize: tensor ", fault.Quote(t.Name), ": already ", t.Type)
		}
		if err := dst.Add(t.Name, to, t.Shape...); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// convert streams one tensor through memory and measures the error.
func convert(w io.Writer, in io.ReaderAt, t gguf.TensorInfo, to tensor.Type) (Figure, error) {
	fig := Figure{Name: t.Name, From: t.Type, To: to}
	if t.Type == to {
		_, err := io.Copy(w, io.NewSectionReader(in, int64(t.Offset), int64(t.NBytes)))
		return fig, err
	}
	var sumErr, sumSq float64
	// A step is whole blocks of either format: block sizes divide it. Rows are
	// whole blocks too, so where a row ends does not matter.
	for at, n := 0, t.NElems(); at < n; at += stepElems {
		e, s, err := convertStep(w, in, t, to, at, min(stepElems, n-at))
		if err != nil {
			return fig, err
		}
		sumErr, sumSq = sumErr+e, sumSq+s
	}
	fig.RMSE = math.Sqrt(sumErr / float64(t.NElems()))
	if sumSq > 0 {
		fig.RelRMSE = math.Sqrt(sumErr / sumSq)
	}
	return fig, nil
}

// convertStep converts n weights from weight at on; it returns the sums of the
// squared errors and of the squared weights.
func convertStep(w io.Writer, in io.ReaderAt, t gguf.TensorInfo, to tensor.Type, at, n int) (sumErr, sumSq float64, err error) {
	start, err1 := t.Type.RowBytes(at)
	nSrc, err2 := t.Type.RowBytes(n)
	nDst, err3 := to.RowBytes(n)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return 0, 0, err
		}
	}
	src, dst := make([]byte, nSrc), make([]byte, nDst)
	x, back := make([]float32, n), make([]float32, n)
	if _, err := in.ReadAt(src, int64(t.Offset)+int64(start)); err != nil {
		return 0, 0, fault.New(fault.BadFile, "quantize: tensor ", fault.Quote(t.Name), ": ", err)
	}
	if err := tensor.Dequantize(t.Type, x, src); err != nil {
		return 0, 0, err
	}
	if err := tensor.Quantize(to, dst, x); err != nil {
		return 0, 0, err
	}
	if err := tensor.Dequantize(to, back, dst); err != nil {
		return 0, 0, err
	}
	for i := range x {
		e := float64(x[i]) - float64(back[i])
		sumErr += e * e
		sumSq += float64(x[i]) * float64(x[i])
	}
	_, err = w.Write(dst)
	return sumErr, sumSq, err
}
