// Client side: requests as bytes. Of the POST of an event what is the same for all is framed once.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::http {

class PostWriter {
public:
    /// `authority`: the Host field ("api.flowdock.com", "127.0.0.1:8080"). `target`: the path, or
    /// the absolute URI towards a plain-http proxy. `extra_fields`: whole lines, each ended by
    /// CRLF (Proxy-Authorization), or empty. Throws std::invalid_argument if a part holds a control
    /// character or, in authority and target, a space: nothing configured can add a field.
    PostWriter(std::string_view authority, std::string_view target, std::string_view user_agent,
               std::string_view extra_fields = {});

    /// Appends head and body: JSON, Accept: application/json, Idempotency-Key. The key is an
    /// event's id or uuid, which core has checked: visible ASCII. A key with anything else throws
    /// std::invalid_argument (a bug) and appends nothing. Any thread.
    void append(std::string& out, std::string_view idempotency_key, std::string_view body) const;

    /// append() for a body of so many bytes, without the body.
    void append_head(std::string& out, std::string_view idempotency_key,
                     std::size_t body_size) const;

private:
    std::string before_key_;
};

/// Appends a PUT of a JSON body; the parts, and what is thrown, are as with PostWriter.
void append_put(std::string& out, std::string_view authority, std::string_view target,
                std::string_view user_agent, std::string_view extra_fields, std::string_view body);

/// Appends a GET; the parts, and what is thrown, are as with PostWriter.
void append_get(std::string& out, std::string_view authority, std::string_view target,
                std::string_view user_agent, std::string_view extra_fields);

/// A part of a path or a value of a query: everything but letters, digits and "-._~" is
/// percent-encoded (RFC 3986).
std::string url_encode(std::string_view text);

}  // namespace flowrelay::http
