// Package chrome starts the real Chromium for tests. It must not know what the tests load.
package chrome
