#include "app/destination_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "support/temporary_directory.hpp"
#include "support/test_certificates.hpp"

namespace flowrelay::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DestinationFiles : public testing::Test {
protected:
    DestinationFiles() {
        ::unsetenv("CREDENTIALS_DIRECTORY");
        config_.base_url = "https://api.example.com";
    }
    ~DestinationFiles() override { ::unsetenv("CREDENTIALS_DIRECTORY"); }

    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
        const std::string path = directory_.file(name);
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
        return path;
    }

    template <class Function>
    std::string problem_of(Function function) {
        try {
            function(config_);
        } catch (const ConfigError& error) {
            return error.what();
        }
        return "";
    }

    std::string tls_problem() { return problem_of(make_tls_context); }
    std::string credentials_problem() { return problem_of(load_proxy_credentials); }

    test::TemporaryDirectory directory_;
    test::Identity identity_ = test::make_self_signed("DNS:client");
    DestinationConfig config_;
};

TEST_F(DestinationFiles, PlainHttpNeedsNone) {
    config_.base_url = "http://127.0.0.1:8080";
    EXPECT_EQ(make_tls_context(config_), nullptr);
    EXPECT_TRUE(load_proxy_credentials(config_).empty());
}

TEST_F(DestinationFiles, WithoutACertificateNoneIsShown) {
    EXPECT_FALSE(make_tls_context(config_)->has_certificate());
    EXPECT_EQ(warn_of_exposed_key(config_), "");
    EXPECT_FALSE(needs_missing_credentials(config_));
}

TEST_F(DestinationFiles, ReadsCertificateAndKeyFromFiles) {
    config_.client_certificate = write("c.pem", identity_.certificate, 0644);
    config_.client_key = write("c.key", identity_.key);
    EXPECT_TRUE(make_tls_context(config_)->has_certificate());
    EXPECT_EQ(warn_of_exposed_key(config_), "");
}

TEST_F(DestinationFiles, ReadsThemFromCredentials) {
    config_.client_certificate_credential = "c.pem";
    config_.client_key_credential = "c.key";
    EXPECT_TRUE(needs_missing_credentials(config_));
    EXPECT_THAT(tls_problem(), HasSubstr("destination.client_certificate_credential: there are no "
                                         "credentials ($CREDENTIALS_DIRECTORY is not set)"));
    write("c.pem", identity_.certificate, 0444);
    write("c.key", identity_.key, 0444);
    ::setenv("CREDENTIALS_DIRECTORY", directory_.file("").c_str(), 1);
    EXPECT_FALSE(needs_missing_credentials(config_));
    EXPECT_TRUE(make_tls_context(config_)->has_certificate());
    EXPECT_EQ(warn_of_exposed_key(config_), "") << "systemd closes the directory";
}

TEST_F(DestinationFiles, AProblemWithAFileIsOneOfTheConfiguration) {
    config_.client_certificate = directory_.file("missing.pem");
    EXPECT_EQ(tls_problem(),
              "configuration: destination.client_certificate: " + config_.client_certificate +
                  ": cannot read the file: No such file or directory");
}

TEST_F(DestinationFiles, AKeyThatOthersCanReadIsTold) {
    config_.client_certificate = write("c.pem", identity_.certificate, 0644);
    config_.client_key = write("c.key", identity_.key, 0644);
    EXPECT_TRUE(make_tls_context(config_)->has_certificate());
    EXPECT_THAT(warn_of_exposed_key(config_), HasSubstr("chmod 0600 " + config_.client_key));
    // A certificate may be readable by others, unless the file also contains the key.
    config_.client_key = "";
    config_.client_certificate = write("both.pem", identity_.certificate + identity_.key, 0644);
    EXPECT_THAT(warn_of_exposed_key(config_), HasSubstr("both.pem has mode 0644"));
}

TEST_F(DestinationFiles, ReadsTheCredentialsOfTheProxy) {
    config_.proxy_credentials_file = write("p", "user:pass: word\xC3\xA4\r\n", 0640);
    EXPECT_EQ(load_proxy_credentials(config_).reveal(), "user:pass: word\xC3\xA4");
    config_.proxy_credentials_file = "";
    config_.proxy_credential = "p";
    EXPECT_THAT(credentials_problem(), HasSubstr("destination.proxy_credential: there are no"));
    ::setenv("CREDENTIALS_DIRECTORY", directory_.file("").c_str(), 1);
    EXPECT_EQ(load_proxy_credentials(config_).reveal(), "user:pass: word\xC3\xA4");
}

TEST_F(DestinationFiles, RefusesOtherCredentialsWithoutRepeatingThem) {
    for (const char* text : {"geheim", ":geheim", "", "\n", "user:geheim\nmore", "u:geheim\x01"}) {
        config_.proxy_credentials_file = write("p", text);
        const std::string problem = credentials_problem();
        EXPECT_THAT(problem, HasSubstr("destination.proxy_credentials_file")) << text;
        EXPECT_THAT(problem, Not(HasSubstr("geheim")));
    }
    config_.proxy_credentials_file = write("p", "user:geheim", 0644);
    EXPECT_THAT(credentials_problem(), HasSubstr("chmod 0600"));
    config_.proxy_credentials_file = directory_.file("missing");
    EXPECT_THAT(credentials_problem(), HasSubstr("No such file"));
}

}  // namespace
}  // namespace flowrelay::app
