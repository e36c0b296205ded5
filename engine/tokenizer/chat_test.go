package tokenizer

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"pastel/engine/chat"
	"pastel/engine/jsonvalue"
)

// TestChatPrompts renders conversations with the models' own templates and
// encodes the prompts: text and ids are those of Hugging Face's libraries.
func TestChatPrompts(t *testing.T) {
	rows := bytes.Split(bytes.TrimSpace(readTestdata(t, "../chat-templates/tokens.jsonl.gz")), []byte("\n"))
	for _, line := range rows {
		var row struct {
			Vocabulary, Name, Template, Prompt string
			Context                            json.RawMessage
			IDs                                []int32
		}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		t.Run(row.Vocabulary+"/"+row.Name, func(t *testing.T) {
			template, err := chat.Parse(row.Template)
			if err != nil {
				t.Fatal(err)
			}
			ctx, err := jsonvalue.Parse(row.Context)
			if err != nil {
				t.Fatal(err)
			}
			prompt, err := template.Render(ctx, chat.Date{}, chat.Limits{})
			if err != nil || prompt != row.Prompt {
				t.Fatalf("prompt %q, %v\nwant   %q", prompt, err, row.Prompt)
			}
			tok := load(t, row.Vocabulary)
			got := tok.Encode(prompt, Options{AddBOS: Never, AddEOS: Never, ParseSpecial: true})
			if !slices.Equal(got, row.IDs) {
				t.Errorf("Encode(%q)\n got %v\nwant %v", prompt, got, row.IDs)
			}
		})
	}
}
