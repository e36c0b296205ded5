package offload

import (
	"strconv"
	"strings"

	"pastel/fault"
)

// ServerHost returns the canonical host[:port] of a server URL: what consent is
// scoped to and what an answer is labelled with. Default ports are dropped.
//
// It accepts https anywhere and plain http on loopback only, since a prompt in
// clear text is readable by everyone on the way. User information, and any
// character that a browser might read differently (backslash, percent, non-ASCII,
// space), is refused rather than interpreted.
//
// Errors: ERR_BAD_REQUEST.
func ServerHost(serverURL string) (string, error) {
	scheme, rest, ok := strings.Cut(serverURL, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "https" && scheme != "http" {
		return "", badHost(serverURL, "is neither https:// nor http://")
	}
	host := strings.ToLower(rest[:strings.IndexAny(rest+"/", "/?#")])
	if bad := strings.IndexFunc(host, notHostByte); bad >= 0 {
		return "", badHost(serverURL, "has a character that a host cannot have")
	}
	name, port, err := splitPort(host)
	if err != nil || name == "" || name == "[]" {
		return "", badHost(serverURL, "has no valid host and port")
	}
	if scheme == "http" && !isLoopback(name) {
		return "", badHost(serverURL, "is plain http and not on loopback")
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return name, nil
	}
	return name + ":" + port, nil
}

func badHost(serverURL, why string) error {
	return fault.New(fault.BadRequest, "offload: server URL ", fault.Quote(serverURL), " ", why)
}

func notHostByte(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:[]", r))
}

// splitPort splits name:port and [v6]:port. The port is without leading zeros.
func splitPort(host string) (name, port string, err error) {
	colon := strings.LastIndexByte(host, ':')
	switch bracket := strings.IndexByte(host, ']'); {
	case bracket >= 0 && (host[0] != '[' || strings.Count(host, "]") > 1 || strings.Count(host, "[") > 1):
		return "", "", fault.Sentinel(fault.BadRequest)
	case bracket >= 0 && bracket == len(host)-1, colon < 0:
		return host, "", nil
	case bracket >= 0 && colon != bracket+1, bracket < 0 && strings.ContainsAny(host[:colon], ":["):
		return "", "", fault.Sentinel(fault.BadRequest)
	}
	n, err := strconv.ParseUint(host[colon+1:], 10, 16)
	return host[:colon], strconv.FormatUint(n, 10), err
}

// isLoopback knows the names that cannot leave the machine.
func isLoopback(name string) bool {
	return name == "localhost" || name == "127.0.0.1" || name == "[::1]"
}
