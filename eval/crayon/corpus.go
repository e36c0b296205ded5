package crayon

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"pastel/blend/digest"
)

// An Intent is one thing people ask for, with texts that ask for it.
type Intent struct {
	Domain string   `json:"domain"` // "" for requests outside every domain
	Name   string   `json:"intent"`
	Train  []string `json:"train"`
	Held   []string `json:"held"` // nobody trains on these
}

// A Corpus is a set of intents in domains, and requests that belong to none.
type Corpus struct {
	Intents []Intent
	Domains [][]int // the intents of each domain
	Outside Intent
	Digest  string // hexadecimal SHA-256 of the text it was read from
}

// maxCorpus bounds a corpus, in bytes.
const maxCorpus = 16 << 20

// ReadCorpus reads gzipped lines of JSON, one Intent each, of which exactly one has
// no domain.
//
// Errors: the line's number with what is wrong with it.
func ReadCorpus(r io.Reader) (*Corpus, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("crayon: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxCorpus+1))
	if err != nil {
		return nil, fmt.Errorf("crayon: %w", err)
	}
	if len(text) > maxCorpus {
		return nil, fmt.Errorf("crayon: more than %d bytes of texts", maxCorpus)
	}
	c := &Corpus{Digest: digest.Hex(text)}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	at := map[string]int{}
	for n := 1; lines.Scan(); n++ {
		if err := c.add(lines.Bytes(), at); err != nil {
			return nil, fmt.Errorf("crayon: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("crayon: %w", err)
	}
	if len(c.Domains) == 0 || len(c.Outside.Held) == 0 {
		return nil, errors.New("crayon: no domains, or no requests outside them")
	}
	return c, nil
}

// add takes in one line; at are the domains' indices.
func (c *Corpus) add(line []byte, at map[string]int) error {
	var i Intent
	if err := json.Unmarshal(line, &i); err != nil {
		return err
	}
	if i.Name == "" || len(i.Train) == 0 || len(i.Held) < 2 {
		return fmt.Errorf("intent %q with %d texts to train on and %d held out", i.Name, len(i.Train), len(i.Held))
	}
	if i.Domain == "" {
		if c.Outside.Name != "" {
			return errors.New("a second intent without a domain")
		}
		c.Outside = i
		return nil
	}
	d, known := at[i.Domain]
	if !known {
		d = len(c.Domains)
		at[i.Domain] = d
		c.Domains = append(c.Domains, nil)
	}
	c.Domains[d] = append(c.Domains[d], len(c.Intents))
	c.Intents = append(c.Intents, i)
	return nil
}

// outside is the number that stands for requests of no domain.
func (c *Corpus) outside() int { return len(c.Intents) }
