// The head of one response, read line by line. Of it only the status, a few fields and what says
// where the body ends matter. Everything else may look as it likes: it is a quirk, and the
// connection of a server with quirks is not used again, since the two sides may not agree on where
// a response ends.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "head.hpp"

namespace flowrelay::http {

/// How the end of the body is told (RFC 9112, section 6.3).
enum class Framing { none, counted, chunked, until_end, unclear };

class ResponseHead {
public:
    /// `wanted`: the fields that field() is asked for; empty: all.
    explicit ResponseHead(std::span<const std::string_view> wanted) : wanted_(wanted) {}

    /// Takes the first line, without its end. False: it is no status line.
    bool add_status_line(std::string_view line);
    /// Takes any other line but the empty one, without its end.
    void add_field_line(std::string_view line);
    /// After the empty line.
    void finish();
    void clear() noexcept;

    /// Records what is not as HTTP has it. The first counts. `what` is a literal.
    void note_quirk(std::string_view what) noexcept {
        if (quirk_.empty()) quirk_ = what;
    }

    int code() const noexcept { return code_; }
    int minor_version() const noexcept { return minor_version_; }
    std::string_view field(std::string_view name) const noexcept { return fields_.field(name); }
    std::string joined_field(std::string_view name) const { return fields_.joined_field(name); }
    std::string_view quirk() const noexcept { return quirk_; }

    // After finish().

    Framing framing() const noexcept { return framing_; }
    std::uint64_t length() const noexcept { return length_; }  ///< of a counted body
    bool is_plain() const noexcept { return plain_; }          ///< neither compressed nor the like
    /// The head says more than one thing about where the body ends.
    bool contradicts_itself() const noexcept { return contradiction_; }
    /// Another request may follow, as far as the head is concerned.
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
    std::string line_;  ///< the field so far: its next line may continue it
    std::string_view quirk_;
    int code_ = 0;
    int minor_version_ = 1;
    bool close_ = false;
    bool keep_ = false;
    bool has_length_ = false;
    bool bad_length_ = false;
    bool has_codings_ = false;
    bool chunked_ = false;  ///< the last coding
    bool plain_ = true;
    bool contradiction_ = false;
    std::uint64_t length_ = 0;
    Framing framing_ = Framing::none;
};

}  // namespace flowrelay::http
