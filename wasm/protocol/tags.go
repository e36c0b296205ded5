package protocol

// newMessage returns an empty message of the tag's type, or nil for a tag nobody has.
func newMessage(t Tag) Message {
	switch t {
	case TagOpen:
		return &Open{}
	case TagFinish:
		return &Finish{}
	case TagDiscard:
		return &Discard{}
	case TagUnload:
		return &Unload{}
	case TagInfo:
		return &Info{}
	case TagStats:
		return &Stats{}
	case TagTokenize:
		return &Tokenize{}
	case TagDetokenize:
		return &Detokenize{}
	case TagRender:
		return &Render{}
	case TagEmbed:
		return &Embed{}
	case TagOpenSession:
		return &OpenSession{}
	case TagCloseSession:
		return &CloseSession{}
	case TagTruncate:
		return &Truncate{}
	case TagGenerate:
		return &Generate{}
	case TagAbort:
		return &Abort{}
	case TagLogits:
		return &Logits{}
	case TagOK:
		return &OK{}
	case TagError:
		return &Error{}
	case TagModelInfo:
		return &ModelInfo{}
	case TagAdapterInfo:
		return &AdapterInfo{}
	case TagStatsReply:
		return &StatsReply{}
	case TagTokens:
		return &Tokens{}
	case TagText:
		return &Text{}
	case TagSessionInfo:
		return &SessionInfo{}
	case TagLogitsReply:
		return &LogitsReply{}
	case TagEmbedding:
		return &Embedding{}
	case TagProgress:
		return &Progress{}
	case TagChunk:
		return &Chunk{}
	case TagDone:
		return &Done{}
	}
	return nil
}
