// Keeps the last requests to /messages in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/time.hpp"
#include "flowrelay/http/field.hpp"

namespace flowrelay::devserver {

struct Received {
    std::uint64_t n = 0;  ///< 1 for the first request to /messages
    WallTime at;
    std::uint64_t connection = 0;
    int status = 0;      ///< status of the answer; 0: none
    bool taken = false;  ///< the API would have accepted the message
    std::string method;
    std::string path;    ///< without the query, which may contain a token
    std::string fields;  ///< "name:value\n" for each header field
    std::string body;

    void set_fields(std::span<const http::Field> list);
};

/// Appends one line of JSON, without the line break.
void append_json(std::string& out, const Received& received);

/// A ring buffer that reuses its strings, so that a full one does not allocate.
class Inbox {
public:
    explicit Inbox(std::size_t capacity) : capacity_(capacity) {}

    /// Returns the entry for the next request, with its number set. The other members have values
    /// of an earlier request. Valid until the next call.
    Received& add();

    /// Returns how many requests were added, including those no longer kept.
    std::uint64_t count() const noexcept { return count_; }

    /// Appends a JSON array of the kept requests with numbers above `since`, at most `limit`.
    void append_json_array(std::string& out, std::uint64_t since, std::size_t limit) const;

    void clear() noexcept { cleared_ = count_; }

private:
    std::size_t capacity_;
    std::uint64_t count_ = 0;
    std::uint64_t cleared_ = 0;  ///< requests up to this number were cleared
    std::vector<Received> ring_;
    Received unkept_;
};

}  // namespace flowrelay::devserver
