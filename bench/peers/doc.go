// Command peers measures Pastel beside the other engines that run language models on
// the CPU inside a page: wllama and onnxruntime-web from npm.
//
//	cd bench/peers && npm ci --ignore-scripts && cd ../.. && go run ./bench/peers
//
// Every engine gets the same shapes, the same page server, a fresh Chromium each time,
// and the engines take turns within a round, so that a slow moment of the machine does
// not hit one alone. wllama reads the very file Pastel reads; onnxruntime-web gets a
// model of the same shape with int8 weights (onnx.go).
//
// It is a program for developers: nothing imports it.
package main
