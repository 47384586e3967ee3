//! Chat and text completions. Written by hand: they are the benchmarks' hot path.

use std::io::Write as _;

use super::{Answer, Finish, Script, ScriptBuilder, put_str, put_usage};

impl Finish {
    fn openai(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCall => "tool_calls",
        }
    }
}

impl Answer<'_> {
    pub(super) fn chat(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(640 + self.text.len());
        let _ = write!(
            out,
            r#"{{"id":"chatcmpl-{:016x}","choices":[{{"index":0,"message":{{"#,
            self.id
        );
        if let Some(tool) = &self.request.call {
            out.extend_from_slice(br#""content":null,"tool_calls":["#);
            self.put_call(&mut out, tool, false);
            out.push(b']');
        } else {
            out.extend_from_slice(br#""content":"#);
            put_str(&mut out, &self.text);
        }
        let _ = write!(
            out,
            r#","role":"assistant"}},"finish_reason":"{}"}}],"created":{},"model":{},"object":"chat.completion","usage":"#,
            self.finish.openai(),
            self.created,
            self.model
        );
        put_usage(&mut out, self.usage);
        out.push(b'}');
        out
    }

    pub(super) fn completion(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.text.len());
        let _ = write!(out, r#"{{"id":"cmpl-{:016x}","choices":["#, self.id);
        for index in 0..self.request.items {
            let separator = if index > 0 { "," } else { "" };
            let _ = write!(out, r#"{separator}{{"index":{index},"text":"#);
            put_str(&mut out, &self.text);
            let _ = write!(
                out,
                r#","finish_reason":"{}","logprobs":null}}"#,
                self.finish.openai()
            );
        }
        let _ = write!(
            out,
            r#"],"created":{},"model":{},"object":"text_completion","usage":"#,
            self.created, self.model
        );
        put_usage(&mut out, self.usage);
        out.push(b'}');
        out
    }

    pub(super) fn chat_events(&self) -> Script {
        let mut script = ScriptBuilder::new(self.ends.len());
        if let Some(tool) = &self.request.call {
            script.token(None, |out| {
                self.put_chunk_head(out);
                out.extend_from_slice(
                    br#"[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":["#,
                );
                self.put_call(out, tool, true);
                out.extend_from_slice(br#"]},"finish_reason":null}]}"#);
            });
        }
        for (at, piece) in self.pieces().enumerate() {
            script.token(None, |out| {
                self.put_chunk_head(out);
                out.extend_from_slice(br#"[{"index":0,"delta":{"content":"#);
                put_str(out, piece);
                if at == 0 {
                    out.extend_from_slice(br#","role":"assistant""#);
                }
                out.extend_from_slice(br#"},"finish_reason":null}]}"#);
            });
        }
        script.event(None, |out| {
            self.put_chunk_head(out);
            let finish = self.finish.openai();
            let _ = write!(
                out,
                r#"[{{"index":0,"delta":{{}},"finish_reason":"{finish}"}}]}}"#
            );
        });
        self.finish_script(script)
    }

    pub(super) fn completion_events(&self) -> Script {
        let mut script = ScriptBuilder::new(self.ends.len());
        for piece in self.pieces() {
            script.token(None, |out| {
                self.put_chunk_head(out);
                out.extend_from_slice(br#"[{"index":0,"text":"#);
                put_str(out, piece);
                out.extend_from_slice(br#","finish_reason":null,"logprobs":null}]}"#);
            });
        }
        script.event(None, |out| {
            self.put_chunk_head(out);
            let finish = self.finish.openai();
            let _ = write!(
                out,
                r#"[{{"index":0,"text":"","finish_reason":"{finish}","logprobs":null}}]}}"#
            );
        });
        self.finish_script(script)
    }

    /// The usage chunk, if it was asked for, and the terminator.
    fn finish_script(&self, mut script: ScriptBuilder) -> Script {
        if self.request.include_usage {
            script.event(None, |out| {
                self.put_chunk_head(out);
                out.extend_from_slice(br#"[],"usage":"#);
                put_usage(out, self.usage);
                out.push(b'}');
            });
        }
        script.terminator();
        script.done();
        script.build()
    }

    /// Everything of a chunk up to the value of `choices`.
    fn put_chunk_head(&self, out: &mut Vec<u8>) {
        let (prefix, object) = match self.api {
            crate::fields::Api::Completions => ("cmpl", "text_completion"),
            _ => ("chatcmpl", "chat.completion.chunk"),
        };
        let _ = write!(
            out,
            r#"{{"id":"{prefix}-{:016x}","created":{},"model":{},"object":"{object}","choices":"#,
            self.id, self.created, self.model
        );
    }

    fn put_call(&self, out: &mut Vec<u8>, tool: &str, indexed: bool) {
        let index = if indexed { r#""index":0,"# } else { "" };
        let _ = write!(
            out,
            r#"{{{index}"id":"call_{:016x}","type":"function","function":{{"name":"#,
            self.id
        );
        put_str(out, tool);
        out.extend_from_slice(br#","arguments":"{}"}}"#);
    }
}
