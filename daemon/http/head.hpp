// The header fields of one message, kept in memory that the next message uses again.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/http/field.hpp"

namespace flowrelay::http {

/// A body larger than this gives its memory back after its message: a thousand idle connections
/// must not keep the largest bodies that they have seen.
inline constexpr std::size_t kept_body_capacity = 64 * 1024;

/// A name of a field (RFC 9110, section 5.6.2).
bool is_token(std::string_view text) noexcept;

class Head {
public:
    /// Text that belongs to the head but is no field (the request line). Give it back to text().
    struct Slice {
        std::size_t at = 0;
        std::size_t size = 0;
    };

    Slice add_text(std::string_view text);
    void add_field(std::string_view name, std::string_view value);

    /// Makes the list of fields(). No text or field is added after this.
    void finish();
    std::span<const Field> fields() const noexcept { return fields_; }

    // These views are valid until something is added.

    std::string_view text(Slice slice) const noexcept;

    /// The first field of this name, or an empty view.
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
