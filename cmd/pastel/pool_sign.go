package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"

	"pastel/blend/pool"
	"pastel/fault"
)

// signManifest adds the signature of a pool's manifest to its files and returns the
// public key in hex. keyFile is a PEM file of an Ed25519 private key.
func signManifest(files map[string][]byte, keyFile string) (public string, err error) {
	key, err := readPEM(keyFile, x509.ParsePKCS8PrivateKey)
	if err != nil {
		return "", err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return "", fault.New(fault.BadRequest, "pool: ", keyFile, " holds no Ed25519 private key")
	}
	if files[pool.SignatureName], err = private.Sign(nil, files[pool.ManifestName], crypto.Hash(0)); err != nil {
		return "", err
	}
	return hex.EncodeToString(private.Public().(ed25519.PublicKey)), nil
}

// checkPool verifies the signature of the manifest in dir. key is a public key,
// 64 hex digits or a PEM file.
//
// Errors: ERR_HASH for a signature that is missing or another's.
func checkPool(dir, key string) error {
	public, err := publicKey(key)
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(dir, pool.ManifestName))
	if err != nil {
		return err
	}
	signature, err := os.ReadFile(filepath.Join(dir, pool.SignatureName))
	if os.IsNotExist(err) {
		return fault.New(fault.Hash, "pool: ", dir, " is not signed")
	}
	if err != nil {
		return err
	}
	if !ed25519.Verify(public, manifest, signature) {
		return fault.New(fault.Hash, "pool: ", dir, " is not signed with the key ", hex.EncodeToString(public))
	}
	return nil
}

func publicKey(key string) (ed25519.PublicKey, error) {
	if raw, err := hex.DecodeString(key); err == nil && len(raw) == ed25519.PublicKeySize {
		return raw, nil
	}
	parsed, err := readPEM(key, x509.ParsePKIXPublicKey)
	if err != nil {
		return nil, err
	}
	public, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fault.New(fault.BadRequest, "pool: ", key, " holds no Ed25519 public key")
	}
	return public, nil
}

// readPEM parses the first block of a PEM file.
func readPEM(path string, parse func([]byte) (any, error)) (any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fault.New(fault.BadRequest, "pool: ", path, " is no PEM file")
	}
	key, err := parse(block.Bytes)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "pool: ", path, ": ", err)
	}
	return key, nil
}
