"""Letters out: to a real SMTP receiver, or as files."""

import smtplib
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from shared import mail
from tests.idp.outside import server_certificate
from tests.shared.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, int]]:
    with receiving() as (box, port):
        yield box, port


def letter(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in (
        {"From": "khong-tra-loi@binhlam.example", "To": "an@binhlam.example", "Subject": "Giấy mời họp"} | headers
    ).items():
        message[name] = value
    message.set_content("Kính gửi ông Nguyễn Văn An,\n.\nkỳ họp thứ 4.\n")
    return message


def test_a_letter_reaches_the_receiver_as_it_was_written(settings, receiver):
    box, port = receiver
    mail.send(settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{port}"}), letter())
    [got] = box.letters
    assert (got["Subject"], got["To"]) == ("Giấy mời họp", "an@binhlam.example")
    assert got.get_content().replace("\r\n", "\n") == "Kính gửi ông Nguyễn Văn An,\n.\nkỳ họp thứ 4.\n"
    assert box.signed_in == []


def test_name_and_password_stand_in_the_address(settings, receiver):
    box, port = receiver
    relay = settings.model_copy(update={"smtp_url": f"smtp://h%E1%BB%99i:p%40ss%2Fword@127.0.0.1:{port}"})
    with pytest.raises(UnicodeEncodeError):
        mail.send(relay, letter())
    mail.send(settings.model_copy(update={"smtp_url": f"smtp://hop:p%40ss%2Fword@127.0.0.1:{port}"}), letter())
    assert box.signed_in == [(b"hop", b"p@ss/word")]
    assert len(box.letters) == 1


def test_over_tls_a_password_is_told_to_nobody_but_whom_the_machine_trusts(settings, tmp_path, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_certificate(tmp_path))
    with receiving(tls) as (box, port):
        relay = settings.model_copy(update={"smtp_url": f"smtps://hop:p%40ss%2Fword@127.0.0.1:{port}"})
        with pytest.raises(ssl.SSLCertVerificationError):
            mail.send(relay, letter())
        assert box.signed_in == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        mail.send(relay, letter())
        assert (len(box.signed_in), len(box.letters)) == (1, 1)


@pytest.mark.parametrize("refused", [smtplib.SMTPException, OSError])
def test_what_the_relay_does_not_take_is_an_error_so_that_it_is_tried_again(settings, receiver, refused):
    box, port = receiver
    box.refused = "an@binhlam.example"
    away = settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{port if refused is smtplib.SMTPException else 1}"})
    with pytest.raises(refused):
        mail.send(away, letter())
    assert box.letters == []


def test_a_letter_may_become_a_file(settings, tmp_path):
    folder = tmp_path / "thư đi"
    sink = settings.model_copy(update={"smtp_url": f"file://{folder}"})
    mail.send(sink, letter())
    mail.send(sink, letter(Subject="Thứ hai"))
    subjects = {message_from_bytes(file.read_bytes(), policy=policy.default)["Subject"] for file in folder.glob("*.eml")}
    assert subjects == {"Giấy mời họp", "Thứ hai"}


def test_without_an_address_nothing_is_sent(settings):
    assert settings.smtp_url == ""
    assert mail.send(settings, letter()) is None


@pytest.mark.parametrize("text", ["a\nBcc: evil@example.com", "a\r\nBcc: evil@example.com"])
def test_no_header_can_be_put_in_through_another(text):
    with pytest.raises(ValueError, match="linefeed"):
        letter(Subject=text)
