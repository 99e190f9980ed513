#include "flowrelay/base/error.hpp"

#include <gtest/gtest.h>

#include <boost/system/system_error.hpp>
#include <cerrno>

namespace flowrelay {
namespace {

Result<int> failing() {
    return system_error(ENOENT, "open", "/nowhere/at all");
}

TEST(Error, OfASystemCallSaysActionObjectAndCause) {
    const Error error = system_error(ENOSPC, "write", "/var/lib/x/0001.log");
    EXPECT_EQ(error.message, "cannot write /var/lib/x/0001.log: No space left on device");
}

TEST(Error, OfASystemCallComparesWithPortableConditions) {
    EXPECT_EQ(system_error(ENOSPC, "write", "x").code, boost::system::errc::no_space_on_device);
}

TEST(Error, IsThrownByValueOfAFailedResult) {
    EXPECT_THROW((void)failing().value(), boost::system::system_error);
}

TEST(Error, ThrownKeepsCodeAndSentence) {
    try {
        (void)failing().value();
        FAIL() << "nothing was thrown";
    } catch (const boost::system::system_error& thrown) {
        EXPECT_STREQ(thrown.what(), "cannot open /nowhere/at all: No such file or directory");
        EXPECT_EQ(thrown.code(), boost::system::errc::no_such_file_or_directory);
    }
}

}  // namespace
}  // namespace flowrelay
