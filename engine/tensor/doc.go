// Package tensor names the storage formats of GGUF tensors and converts rows of
// weights between them and float32: block geometry, dequantisation, quantisation.
//
// Every format lives in its own file and is entered in the tables of type.go and
// quantize.go. The code here is the plain definition that kernels are compared
// with; it must not know files, models or fast kernels.
package tensor
