#include "flowrelay/base/error.hpp"

#include <fmt/format.h>

#include <boost/system/system_error.hpp>
#include <stdexcept>
#include <utility>

namespace flowrelay {

namespace {

// The message is a whole sentence already; the base class would append the text of the code again.
class ErrorException final : public boost::system::system_error {
public:
    explicit ErrorException(const Error& error) : system_error(error.code), text_(error.message) {}
    const char* what() const noexcept override { return text_.c_str(); }

private:
    std::string text_;
};

}  // namespace

Error system_error(int errno_value, std::string_view action, std::string_view object) {
    const error_code code(errno_value, boost::system::system_category());
    return Error{code, fmt::format("cannot {} {}: {}", action, object, code.message())};
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
    throw ErrorException(error);
}

void throw_no_value() {
    throw std::logic_error("the value of a result that has none was asked for");
}

}  // namespace flowrelay
