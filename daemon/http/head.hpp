// The header fields of one message, in memory that is reused for the next message.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/http/field.hpp"

namespace flowrelay::http {

/// The memory of a larger body is freed after its message, so that a thousand idle connections do
/// not each keep the largest body they have seen.
inline constexpr std::size_t kept_body_capacity = 64 * 1024;

/// Whether the text is a valid field name: a token (RFC 9110, section 5.6.2).
bool is_token(std::string_view text) noexcept;

class Head {
public:
    /// A stored text of the head that is not a field, such as the method; text() returns it.
    struct Slice {
        std::size_t at = 0;
        std::size_t size = 0;
    };

    Slice add_text(std::string_view text);
    void add_field(std::string_view name, std::string_view value);

    /// Builds the list of fields(). No text or field may be added after this.
    void finish();
    std::span<const Field> fields() const noexcept { return fields_; }

    // The returned views are valid until something is added.

    std::string_view text(Slice slice) const noexcept;

    /// Returns the value of the first field with this name, or an empty view.
    std::string_view field(std::string_view name) const noexcept;
    /// All fields of this name as one list (RFC 9110, section 5.3).
    std::string joined_field(std::string_view name) const;
    std::size_t count(std::string_view name) const noexcept;

    void clear() noexcept;

private:
    struct Entry {
        Slice name;
        Slice value;
    };
    std::string text_;
    std::vector<Entry> entries_;
    std::vector<Field> fields_;
};

}  // namespace flowrelay::http
