package main

import (
	"context"
	"flag"
	"io"
	"os"
	"time"

	"pastel/engine/chat"
	"pastel/engine/jsonvalue"
)

// renderCommand runs a chat template on the JSON object at standard input and
// prints the text as it is.
func renderCommand(ctx context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("render", flag.ContinueOnError)
	day := fs.String("date", "", "the `day` (2026-11-20) that strftime_now sees instead of today")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	date, err := renderDate(*day)
	if err != nil {
		return err
	}
	source, err := os.ReadFile(positional[0])
	if err != nil {
		return err
	}
	template, err := chat.Parse(string(source))
	if err != nil {
		return err
	}
	input, err := e.input(ctx)
	if err != nil {
		return err
	}
	variables, err := jsonvalue.Parse(input)
	if err != nil {
		return err
	}
	text, err := template.Render(variables, date, chat.Limits{})
	if err != nil {
		return err
	}
	_, err = io.WriteString(e.stdout, text)
	return err
}

func renderDate(day string) (chat.Date, error) {
	t := time.Now()
	if day != "" {
		var err error
		if t, err = time.Parse(time.DateOnly, day); err != nil {
			return chat.Date{}, usagef("--date: %v", err)
		}
	}
	return chat.Date{Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute()}, nil
}
