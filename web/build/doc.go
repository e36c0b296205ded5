// Package build turns web/src into the npm package and web/page into the demo
// site, with esbuild's Go API and no node.
//
// It must not know what the code it bundles does.
package build
