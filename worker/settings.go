package worker

import (
	"bytes"
	"encoding/json"
	"net/url"
	"time"

	"pastel/fault"
)

// Settings are the part of a Config that a file or a secret can hold: one JSON
// object, the same for both hosts.
type Settings struct {
	Upstreams []*Upstream `json:"upstreams"`
	Keys      []Key       `json:"keys"`
	Open      bool        `json:"open,omitempty"`
	Origins   []string    `json:"origins"`
	Hosts     []string    `json:"hosts"`
	Limits    Limits      `json:"limits,omitzero"`
}

// A Duration is a time.Duration written as "1m30s" in JSON.
type Duration struct{ time.Duration }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// ParseSettings reads settings. Unknown fields are refused: a misspelt limit
// must not pass for a limit.
//
// Errors: ERR_BAD_REQUEST.
func ParseSettings(raw []byte) (s Settings, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, fault.New(fault.BadRequest, "worker: settings: ", err)
	}
	for _, u := range s.Upstreams {
		to, err := url.Parse(u.URL)
		if err != nil || to.Host == "" || to.User != nil || to.Scheme != "https" && to.Scheme != "http" || u.ID == "" || len(u.Serves) == 0 {
			return Settings{}, fault.New(fault.BadRequest, "worker: settings: upstream ", fault.Quote(u.ID), " needs an id, an http(s) URL and models")
		}
	}
	return s, nil
}

// Config completes settings with what a host provides.
func (s Settings) Config(state State, client Doer) Config {
	c := Config{State: state, Keys: s.Keys, Open: s.Open, Origins: s.Origins, Hosts: s.Hosts, Limits: s.Limits}
	for _, u := range s.Upstreams {
		u.Client = client
		c.Backends = append(c.Backends, u)
	}
	return c
}
