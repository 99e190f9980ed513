#include "flowrelay/core/server_message.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace flowrelay::core {
namespace {

const Secret token("t0ken");

TEST(ServerMessage, ReadsMessageAndErrors) {
    const auto said = read_server_message(
        R"({"message":"Validation error","errors":{"content":["can't be blank"]}})", token);
    EXPECT_EQ(said.message, "Validation error");
    EXPECT_EQ(said.errors, R"({"content":["can't be blank"]})");
}

TEST(ServerMessage, TakesErrorForMessageWhereThereIsNone) {
    EXPECT_EQ(read_server_message(R"({"error":"no"})", token).message, "no");
    EXPECT_EQ(read_server_message(R"({"error":"no","message":"yes"})", token).message, "yes");
}

TEST(ServerMessage, DoesNotRepeatTheToken) {
    const auto said = read_server_message(
        R"({"message":"t0ken is bad","errors":{"flow_token":["t0ken"]}})", token);
    EXPECT_EQ(said.message, "[token] is bad");
    EXPECT_EQ(said.errors, R"({"flow_token":["[token]"]})");
    EXPECT_EQ(read_server_message("plain t0ken", token).message, "plain [token]");
}

TEST(ServerMessage, IsOneLineOfBoundedLength) {
    const auto said = read_server_message("a\nb\r\tc", token);
    EXPECT_EQ(said.message, "a b  c");
    EXPECT_EQ(read_server_message(std::string(5000, 'x'), token).message.size(), 500U);
    std::string umlauts;
    for (int i = 0; i < 400; ++i) umlauts += "\xC3\xA4";
    const auto cut = read_server_message("x" + umlauts, token).message;
    EXPECT_EQ(cut.size(), 499U) << "no half characters";
}

TEST(ServerMessage, DoesNotRepeatAPieceOfTheTokenEither) {
    const Secret longer("965427ebf9997f7aa71384b6f03d608f");
    // What parsers quote is cut somewhere.
    EXPECT_EQ(read_server_message(R"(near {"flow_token":"965427ebf9997f7a)", longer).message,
              R"(near {"flow_token":"[token])");
    EXPECT_EQ(read_server_message("...f03d608f\"} is bad", longer).message, "...[token]\"} is bad");
    EXPECT_EQ(read_server_message("965427e", longer).message, "965427e") << "too short to be one";
    const std::string far = std::string(490, 'x') + "965427ebf9997f7aa71384b6f03d608f";
    EXPECT_EQ(read_server_message(far, longer).message, std::string(490, 'x') + "[token]");
    EXPECT_EQ(read_server_message(R"({"errors":["965427ebf9","x"]})", longer).errors,
              R"(["[token]","x"])");
}

TEST(ServerMessage, DoesNotRepeatTheTokenSpelledWithEscapes) {
    const Secret secret("Ab/965427ebf9997f");
    const auto errors = [&](const std::string& text) {
        return read_server_message("{\"errors\":" + text + "}", secret).errors;
    };
    EXPECT_EQ(errors(R"(["\u0041b/965427ebf9997f is bad"])"), R"(["[token] is bad"])");
    EXPECT_EQ(errors(R"({"a\u0041b\/965427ebf9997f":[1]})"), R"({"a[token]":[1]})");
    EXPECT_EQ(errors(R"(["x\n\u0041\u0062\/\u00396\u0035427ebf9997f"])"), R"(["x\n[token]"])");
    EXPECT_EQ(errors(R"(["?flow_token=%41b%2F965427ebf9997f&x"])"), R"(["?flow_token=[token]&x"])");
    EXPECT_EQ(errors(R"(["\\u0041 \" \ud83d\ude00 %zz"])"), R"(["\\u0041 \" \ud83d\ude00 %zz"])");
    for (const auto* text :
         {R"({"detail":"\u0041b\/965427ebf9997f"})", R"({"detail":"\u0041b\/965427ebf9997f)",
          R"({"message":"\u0041b\/965427ebf9997f"})", R"({"message":"%41b%2f965427ebf9997f"})",
          "GET /?t=%41b/965427ebf9997f"}) {
        const auto message = read_server_message(text, secret).message;
        EXPECT_EQ(message.find("965427"), std::string::npos) << message;
        EXPECT_NE(message.find("[token]"), std::string::npos) << message;
    }
    EXPECT_EQ(describe_redirect("/x?t=%41b/965427ebf9997f", secret, Secret()),
              "redirects to /x?t=[token]");
    const Secret tab("t0ken678");
    EXPECT_EQ(read_server_message(R"({"errors":["\t0ken678"]})", tab).errors, R"(["\t0ken678"])")
        << "a tab and something else: still JSON";
}

TEST(ServerMessage, DoesNotRepeatTheTokenSpelledAsInAPageOrEncodedTwice) {
    const std::string spelled_out = "Ab/965427ebf9997f";
    const Secret secret{std::string(spelled_out)};
    const auto errors = [&](const std::string& text) {
        return read_server_message("{\"errors\":" + text + "}", secret).errors;
    };
    const auto message_of = [&](const std::string& text) {
        return read_server_message(text, secret).message;
    };
    const auto spelled = [&](const std::function<std::string(unsigned char)>& spell) {
        std::string text;
        for (const char c : spelled_out) text += spell(static_cast<unsigned char>(c));
        return text;
    };
    const std::string spellings[] = {
        spelled([](unsigned char c) { return fmt::format("&#{};", c); }),
        spelled([](unsigned char c) { return fmt::format("&#x{:x};", c); }),
        spelled([](unsigned char c) { return fmt::format("&#X{:04X};", c); }),
        spelled([](unsigned char c) { return fmt::format("%25{:02X}", c); }),
        spelled([](unsigned char c) { return fmt::format("&#37;{:02x}", c); }),
        spelled([](unsigned char c) { return fmt::format("%26#{};", c); }),
        "&#" + std::to_string(static_cast<unsigned char>(spelled_out[0])) + ";" +
            spelled_out.substr(1),
    };
    for (const std::string& text : spellings) {
        EXPECT_EQ(errors("[\"" + text + "\"]"), "[\"[token]\"]") << text;
        EXPECT_EQ(message_of("<title>" + text + " is bad</title>"), "[token] is bad") << text;
    }
    for (const char* other :
         {"&#;", "&#x;", "&#xg;", "&#1114112;", "&#65", "&", "&#", "%2", "%25"}) {
        EXPECT_EQ(errors(std::string("[\"") + other + "\"]"), std::string("[\"") + other + "\"]");
    }
}

TEST(ServerMessage, DoesNotRepeatATokenInJsonWithinAString) {
    const Secret secret("Ab/965427ebf9997f");
    const std::string spelled = R"(\u0041b\/\u0039\u00365427\u0065bf9997f)";  // in JSON in JSON
    for (const std::string& form :
         {spelled, std::string(R"(Ab\/965427ebf9997f)"), std::string(R"(Ab\u002F965427ebf9997f)"),
          std::string(R"(\u0025\u0034\u0031b\/965427ebf9997f)")}) {
        const std::string inner = R"({\"flow_token\":\")" + form + R"(\"})";
        const auto said =
            read_server_message(R"({"message":"m","errors":{"_":[")" + inner + "\"]}}", secret);
        EXPECT_EQ(said.errors, R"({"_":["{\"flow_token\":\"[token]\"}"]})") << form;
        for (const std::string& body :
             {R"({"message":")" + inner + "\"}", R"({"other":")" + inner + "\"}", inner}) {
            const auto message = read_server_message(body, secret).message;
            EXPECT_EQ(message.find("965427"), std::string::npos) << message;
            EXPECT_EQ(message.find("5427"), std::string::npos) << message;
            EXPECT_NE(message.find("[token]"), std::string::npos) << message;
        }
    }
    const std::string other = R"(["\\u0041 \\n \\\" \\/ %25zz"])";
    EXPECT_EQ(read_server_message("{\"errors\":" + other + "}", secret).errors, other);
}

TEST(ServerMessage, DoesNotRepeatWhatTheProxyIsTold) {
    const Secret proxy("Basic dXNlcjpwYXNzd29yZA==");
    const auto said = read_server_message(
        "you said Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==, t0ken", token, proxy);
    EXPECT_EQ(said.message, "you said Proxy-Authorization: [token], [token]");
}

TEST(ServerMessage, IsAlwaysUtf8) {
    EXPECT_EQ(read_server_message("schl\xE4gt fehl \xFF", token).message,
              "schl\xEF\xBF\xBDgt fehl \xEF\xBF\xBD");
    const auto said = read_server_message("{\"message\":\"a\xFF\",\"errors\":[]}", token);
    EXPECT_EQ(said.message, "{\"message\":\"a\xEF\xBF\xBD\",\"errors\":[]}");
    const auto cut = read_server_message("x" + std::string(400, '\xFF'), token).message;
    EXPECT_EQ(cut.size(), 499U) << "no half characters";
}

TEST(ServerMessage, WhereJsonHasNoMessageItIsShownItself) {
    EXPECT_EQ(read_server_message(R"({"message":{"code":7}})", token).message,
              R"({"message":{"code":7}})");
    EXPECT_EQ(read_server_message("[\n \"no\"]", token).message, "[  \"no\"]");
    EXPECT_EQ(read_server_message("{}", token).message, "");
    const auto errors = read_server_message(R"({"errors":{"a":["b"]}})", token);
    EXPECT_EQ(errors.message, "") << "it is in `errors`";
    EXPECT_EQ(errors.errors, R"({"a":["b"]})");
}

TEST(ServerMessage, OfAProblemTitleAndDetail) {
    const auto said = [](std::string_view body) {
        return read_server_message(body, token).message;
    };
    EXPECT_EQ(
        said(R"({"type":"about:blank","title":"Bad thing","status":400,"detail":"too long"})"),
        "Bad thing: too long");
    EXPECT_EQ(said(R"({"title":"Bad thing"})"), "Bad thing");
    EXPECT_EQ(said(R"({"detail":"too long, t0ken"})"), "too long, [token]");
    EXPECT_EQ(said(R"({"title":"Bad thing","message":"no"})"), "no");
}

TEST(ServerMessage, OfAPageItsTitle) {
    const auto said = [](std::string_view body) {
        return read_server_message(body, token).message;
    };
    EXPECT_EQ(
        said("<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title>"
             "</head>\r\n<body>...</body></html>"),
        "400 The plain HTTP request was sent to HTTPS port");
    EXPECT_EQ(said("<!DOCTYPE html><HTML><TITLE lang=en>\n Not\nhere </TITLE>"), "Not here");
    EXPECT_EQ(said("<title>t0ken</title>"), "[token]");
    EXPECT_EQ(said("<html><title>never ends"), "");
    EXPECT_EQ(said("<html><title"), "");
    EXPECT_EQ(said("<html><titlebar>no</titlebar><title\n>Yes</title>"), "Yes");
    EXPECT_EQ(said("<titles>no</titles><p>"), "");
    EXPECT_EQ(said("<!-- <title>wrong</title> --><title>Right</title>"), "Right");
    EXPECT_EQ(said("<!--a--><title>Right</title><!-- <title>b</title> -->"), "Right");
    EXPECT_EQ(said("<!--<title>a</title>--><p><!-- <title>b</title> --><title>Right</title>"),
              "Right");
    EXPECT_EQ(said("<!-- <title>wrong</title>"), "");
    EXPECT_EQ(said("<!-- x --> <!-- <title>wrong</title> -->"), "");
}

TEST(ServerMessage, MayStandBehindAByteOrderMark) {
    const auto said = [](const std::string& body) {
        return read_server_message("\xEF\xBB\xBF" + body, token).message;
    };
    EXPECT_EQ(said("<!DOCTYPE html><title>Bad</title>"), "Bad");
    EXPECT_EQ(said(R"({"title":"Bad","detail":"here"})"), "Bad: here");
    EXPECT_EQ(said("\r\nplain"), "plain");
    EXPECT_EQ(said(""), "");
    EXPECT_EQ(said("{}"), "");
}

TEST(ServerMessage, OfAPageBehindAWarningItsTitle) {
    const auto said = [](std::string_view body) {
        return read_server_message(body, token).message;
    };
    for (const auto* page : {"<html><title>Bad</title>", "<!DOCTYPE HTML><TITLE>Bad</TITLE>"}) {
        EXPECT_EQ(said(std::string("Warning: x in y.php on line 7\n") + page), "Bad");
    }
    EXPECT_EQ(said("Warning: x\n<html><body>no title</body></html>"), "Warning: x ");
    EXPECT_EQ(said("a < b, see <title>"), "a < b, see <title>");
    EXPECT_EQ(said(R"({"message":"<html><title>no</title>"})"), "<html><title>no</title>");
}

TEST(ServerMessage, OfACompressedOneNothing) {
    const auto said = [](std::string_view body) {
        return read_server_message(body, token).message;
    };
    EXPECT_EQ(said("\x1F\x8B\x08 abc"), "");
    EXPECT_EQ(said("\x28\xB5\x2F\xFD abc"), "");
    EXPECT_EQ(said(std::string("a\0b", 3)), "");
    EXPECT_EQ(said("\x1B\x03 brotli"), "");
}

TEST(ServerMessage, LeavesPagesOut) {
    EXPECT_EQ(read_server_message("\r\n <!DOCTYPE html><html></html>", token).message, "");
    EXPECT_EQ(read_server_message("<html><body>Bad gateway</body></html>", token).message, "");
    EXPECT_EQ(read_server_message("", token).message, "");
}

TEST(ServerMessage, DropsErrorsThatAreTooLong) {
    const auto said =
        read_server_message(R"({"errors":{"a":")" + std::string(5000, 'x') + "\"}}", token);
    EXPECT_LT(said.errors.size(), 100U);
}

TEST(Redirect, SaysWhereTo) {
    EXPECT_EQ(describe_redirect("https://api.example.com/messages", token, Secret()),
              "redirects to https://api.example.com/messages");
    EXPECT_EQ(describe_redirect("/login?t=t0ken&x=\xFF", token, Secret()),
              "redirects to /login?t=[token]&x=\xEF\xBF\xBD");
    EXPECT_EQ(describe_redirect("", token, Secret()), "");
    EXPECT_EQ(describe_redirect(std::string(5000, 'x'), token, Secret()).size(), 500U);
}

}  // namespace
}  // namespace flowrelay::core
