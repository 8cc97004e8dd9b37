package post

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"warble/lib/problem"
)

// maxBody is the largest request body, in bytes. It holds 200 characters in
// JSON's longest spelling (12 bytes each) several times over; Vercel's own
// limit is 4.5 MB.
const maxBody = 16 << 10

// ReadContent reads {"content": "…"} from the body of r, and checks it with
// CheckContent. Its other errors are 400, 413 and 415.
func ReadContent(r *http.Request) (string, error) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || !isUTF8(params["charset"]) || !isPlain(r.Header.Get("Content-Encoding")) {
		return "", problem.New(http.StatusUnsupportedMediaType, "Send the post as Content-Type: application/json, in UTF-8 and not compressed.")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return "", problem.New(http.StatusBadRequest, "The body could not be read. Send it again.")
	}
	if len(body) > maxBody {
		return "", problem.New(http.StatusRequestEntityTooLarge, "The body is larger than 16 KiB. Send a shorter one.")
	}
	content, err := parseBody(body)
	if err != nil {
		return "", err
	}
	return CheckContent(content)
}

func isUTF8(charset string) bool { return charset == "" || strings.EqualFold(charset, "utf-8") }

func isPlain(encoding string) bool { return encoding == "" || strings.EqualFold(encoding, "identity") }

// parseBody walks the tokens itself, because json.Unmarshal is lenient where a
// mistake of the caller should show: it takes {"CONTENT": …}, takes the last of
// two contents, and puts U+FFFD where the text was not Unicode.
func parseBody(body []byte) (string, error) {
	malformed := func(detail string) (string, error) { return "", problem.New(http.StatusBadRequest, detail) }
	const want = `Send {"content": "…"} and nothing else.`
	if !json.Valid(body) && utf8.Valid(body) {
		return malformed("The body is not one JSON value. " + want)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return malformed("The body is not a JSON object. " + want)
	}
	content, isUnicode := "", true
	for seen := false; decoder.More(); seen = true {
		var raw json.RawMessage
		if name, err := decoder.Token(); err != nil || name != "content" || seen {
			return malformed("The body has a field other than one content. " + want)
		}
		if err := decoder.Decode(&raw); err != nil {
			return malformed("The body is not one JSON value. " + want)
		}
		var text *string
		if err := json.Unmarshal(raw, &text); err != nil {
			return malformed("The content is not a string. " + want)
		}
		if text == nil {
			continue // null is no content, which CheckContent answers for
		}
		content, isUnicode = *text, utf8.Valid(raw) && !hasLoneSurrogate(raw)
	}
	if _, err := decoder.Token(); err != nil {
		return malformed("The body is not one JSON value. " + want)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return malformed("The body goes on after its JSON value. " + want)
	}
	if !isUnicode {
		return "", errNotUnicode
	}
	return content, nil
}

// hasLoneSurrogate tells whether a JSON string, in its quotes, has a \u escape of
// half a character without the other half.
func hasLoneSurrogate(raw []byte) bool {
	escape := func(i int) (r rune) { // the surrogate escaped at i, or 0
		if raw[i] == '\\' && raw[i+1] == 'u' {
			if n, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16); err == nil && utf16.IsSurrogate(rune(n)) {
				return rune(n)
			}
		}
		return 0
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if first := escape(i); first == 0 {
			i++ // past the escaped character, which may be a backslash
		} else if utf16.DecodeRune(first, escape(i+6)) == utf8.RuneError {
			return true
		} else {
			i += 11 // the pair, less the loop's own step
		}
	}
	return false
}
