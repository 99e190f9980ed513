// Parses the head of one response, line by line. Only the status, a few fields and the framing of
// the body matter. Any other violation of HTTP is a quirk; a connection on which a quirk was seen
// is not reused, since the two sides may not agree on where a response ends.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "head.hpp"

namespace flowrelay::http {

/// How the end of the body is determined (RFC 9112, section 6.3).
enum class Framing { none, counted, chunked, until_end, unclear };

class ResponseHead {
public:
    /// `wanted`: names of the fields that field() can return; empty: all.
    explicit ResponseHead(std::span<const std::string_view> wanted) : wanted_(wanted) {}

    /// Parses the first line, without its line ending. Returns false if it is not a status line.
    bool add_status_line(std::string_view line);
    /// Parses a field line, without its line ending. Not for the empty line.
    void add_field_line(std::string_view line);
    /// Completes the head. To be called at the empty line.
    void finish();
    void clear() noexcept;

    /// Records a violation of HTTP; only the first is kept. `what` is a literal.
    void note_quirk(std::string_view what) noexcept {
        if (quirk_.empty()) quirk_ = what;
    }

    int code() const noexcept { return code_; }
    int minor_version() const noexcept { return minor_version_; }
    std::string_view field(std::string_view name) const noexcept { return fields_.field(name); }
    std::string joined_field(std::string_view name) const { return fields_.joined_field(name); }
    std::string_view quirk() const noexcept { return quirk_; }

    // Valid after finish().

    Framing framing() const noexcept { return framing_; }
    std::uint64_t length() const noexcept { return length_; }  ///< body length, if counted
    bool is_plain() const noexcept { return plain_; }          ///< no coding other than chunked
    /// Whether the head is contradictory or unclear about where the body ends.
    bool contradicts_itself() const noexcept { return contradiction_; }
    /// Whether the head allows another request on the connection.
    bool keeps_connection() const noexcept;

private:
    bool wants(std::string_view name) const noexcept;
    void end_field();
    void heed(std::string_view name, std::string_view value);
    void add_length(std::string_view value);
    void add_codings(std::string_view value);
    void add_options(std::string_view value);

    std::span<const std::string_view> wanted_;
    Head fields_;
    std::string line_;  ///< the current field; the next line may continue it
    std::string_view quirk_;
    int code_ = 0;
    int minor_version_ = 1;
    bool close_ = false;
    bool keep_ = false;
    bool has_length_ = false;
    bool bad_length_ = false;
    bool has_codings_ = false;
    bool chunked_ = false;  ///< the last transfer coding is "chunked"
    bool plain_ = true;
    bool contradiction_ = false;
    std::uint64_t length_ = 0;
    Framing framing_ = Framing::none;
};

}  // namespace flowrelay::http
