// Client side: writes requests. The part that is the same in each POST of an event is built once.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::http {

class PostWriter {
public:
    /// `authority`: the Host field ("api.flowdock.com", "127.0.0.1:8080"). `target`: the path, or
    /// the absolute URI for a plain-http proxy. `extra_fields`: whole lines, each ending with CRLF
    /// (Proxy-Authorization), or empty. Throws std::invalid_argument if a part contains a control
    /// character, or authority or target a space, so that no configured value can add a field.
    PostWriter(std::string_view authority, std::string_view target, std::string_view user_agent,
               std::string_view extra_fields = {});

    /// Appends head and body: JSON, Accept: application/json, Idempotency-Key. The key is the id or
    /// uuid of an event, which core has checked to be visible ASCII. A key with any other character
    /// throws std::invalid_argument (a bug) and appends nothing. Thread-safe.
    void append(std::string& out, std::string_view idempotency_key, std::string_view body) const;

    /// Appends only the head of a request whose body has `body_size` bytes; see append().
    void append_head(std::string& out, std::string_view idempotency_key,
                     std::size_t body_size) const;

private:
    std::string before_key_;
};

/// Appends a PUT of a JSON body. Parameters and exceptions are those of PostWriter.
void append_put(std::string& out, std::string_view authority, std::string_view target,
                std::string_view user_agent, std::string_view extra_fields, std::string_view body);

/// Appends a GET. Parameters and exceptions are those of PostWriter.
void append_get(std::string& out, std::string_view authority, std::string_view target,
                std::string_view user_agent, std::string_view extra_fields);

/// Percent-encodes a path segment or a query value: all but letters, digits and "-._~" (RFC 3986).
std::string url_encode(std::string_view text);

}  // namespace flowrelay::http
