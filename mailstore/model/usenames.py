"""What mail programs call the folders for sent mail, drafts, trash, junk and archive, in many languages.

Collected from what Outlook, Apple Mail, Thunderbird, Gmail, Roundcube, Horde and large providers make by themselves.
One line a language, the most usual name first; English is the first of all, as it is what a protocol or a server's
default names. A name belongs to one use only, whatever the language.
"""

from __future__ import annotations

import unicodedata

STANDARD = {"\\Archive": "Archive", "\\Drafts": "Drafts", "\\Junk": "Junk", "\\Sent": "Sent", "\\Trash": "Trash"}
"""What a folder of each use is called where nothing says otherwise."""

_SENT = """
en: Sent, Sent Items, Sent Messages, Sent Mail, Sent Email, Sent Objects
ar: المرسل, العناصر المرسلة, البريد المرسل, الرسائل المرسلة
bg: Изпратени, Изпратена поща, Изпратени елементи
ca: Enviats, Elements enviats, Missatges enviats, Enviat
cs: Odeslané, Odeslaná pošta, Odeslané zprávy
da: Sendt, Sendt post, Sendte elementer, Sendte
de: Gesendet, Gesendete Objekte, Gesendete Elemente, Gesendete, Gesendete Nachrichten, Gesendete E-Mails
el: Απεσταλμένα, Απεσταλμένα στοιχεία, Σταλμένα
es: Enviados, Elementos enviados, Mensajes enviados, Correo enviado, Enviado
et: Saadetud, Saadetud kirjad, Saadetud üksused
eu: Bidaliak, Bidalitakoak
fi: Lähetetyt, Lähetetyt viestit, Lähetetyt kohteet
fr: Envoyés, Éléments envoyés, Messages envoyés, Objets envoyés, Envoyé, Courrier envoyé
he: נשלח, פריטים שנשלחו, דואר שנשלח, דואר יוצא שנשלח
hr: Poslano, Poslane stavke, Poslane poruke
hu: Elküldött, Elküldött elemek, Elküldött üzenetek, Elküldött levelek
id: Terkirim, Item Terkirim, Pesan Terkirim
is: Sendur póstur, Send atriði
it: Inviata, Posta inviata, Inviati, Messaggi inviati, Elementi inviati
ja: 送信済み, 送信済みアイテム, 送信済みメール, 送信済みトレイ, 送信済みメッセージ
ko: 보낸 편지함, 보낸편지함, 보낸메일함, 보낸 메일함, 보낸 항목
lt: Išsiųsti, Išsiųstieji, Išsiųsti laiškai, Išsiųsti elementai
lv: Nosūtītie, Nosūtītās, Nosūtītie vienumi, Nosūtītās vēstules
nb: Sendte e-poster, Sendte meldinger, Sendt e-post
nl: Verzonden, Verzonden items, Verzonden berichten, Verstuurd, Verzonden objecten
pl: Wysłane, Elementy wysłane, Wysłane wiadomości, Wiadomości wysłane
pt: Itens enviados, Mensagens enviadas, Enviadas, Correio enviado, E-mails enviados
ro: Trimise, Elemente trimise, Mesaje trimise, Expediate
ru: Отправленные, Отправленное, Отправленные элементы
sk: Odoslané, Odoslaná pošta, Odoslané správy
sl: Poslana pošta, Poslani elementi, Poslana sporočila
sr: Послато, Послате поруке, Poslato, Poslate poruke
sv: Skickat, Skickade, Skickade objekt, Skickade meddelanden
th: ส่งแล้ว, รายการที่ถูกส่ง, จดหมายที่ส่งแล้ว
tr: Gönderilmiş Öğeler, Gönderilmiş Postalar, Gönderilenler, Gönderilen, Gönderilmiş, Gönderildi
uk: Надіслані, Відправлені, Надіслане, Надіслані елементи
vi: Thư đã gửi, Đã gửi, Mục đã gửi
zh: 已发送, 已发送邮件, 已发邮件, 已发送消息, 已傳送郵件, 寄件備份, 已寄出, 寄件備份匣, 已傳送
"""

_DRAFTS = """
en: Drafts, Draft
ar: المسودات, مسودات
bg: Чернови
ca: Esborranys
cs: Koncepty, Rozepsané, Rozepsaná pošta
da: Kladder
de: Entwürfe, Entwurf
el: Πρόχειρα
es: Borradores, Borrador
et: Mustandid
eu: Zirriborroak
fi: Luonnokset
fr: Brouillons, Brouillon
he: טיוטות
hr: Skice, Nacrti
hu: Piszkozatok, Vázlatok
id: Draf, Konsep
is: Drög
it: Bozze
ja: 下書き, 下書きトレイ
ko: 임시 보관함, 임시보관함, 초안
lt: Juodraščiai
lv: Melnraksti
nb: Kladd, Utkast
nl: Concepten, Concept
pl: Kopie robocze, Wersje robocze, Szkice, Robocze
pt: Rascunhos, Rascunho
ro: Ciorne, Schițe
ru: Черновики, Черновик
sk: Rozpísané, Návrhy
sl: Osnutki
sr: Нацрти, Недовршено
sv: Koncept
th: แบบร่าง, ฉบับร่าง, จดหมายร่าง
tr: Taslaklar, Taslak
uk: Чернетки
vi: Thư nháp, Nháp, Bản nháp
zh: 草稿, 草稿箱, 草稿夹, 草稿匣
"""

_TRASH = """
en: Trash, Deleted Items, Deleted Messages, Deleted, Bin, Deleted Mail, Recycle Bin, Trash Can, Wastebasket
ar: المهملات, العناصر المحذوفة, سلة المهملات, المحذوفات
bg: Кошче, Изтрити, Изтрити елементи
ca: Paperera, Elements suprimits, Esborrats, Brossa
cs: Koš, Odstraněná pošta, Odstraněné, Smazané
da: Papirkurv, Slettet post, Slettede elementer, Slettede
de: Papierkorb, Gelöscht, Gelöschte Objekte, Gelöschte Elemente, Gelöschte Nachrichten, Mülleimer
el: Κάδος, Κάδος απορριμμάτων, Διαγραμμένα, Διαγραμμένα στοιχεία, Απορρίμματα
es: Papelera, Elementos eliminados, Eliminados, Mensajes eliminados, Papelera de reciclaje, Basura
et: Prügikast, Kustutatud, Kustutatud üksused, Prügi
eu: Zakarrontzia, Ezabatutakoak
fi: Roskakori, Poistetut, Poistetut kohteet, Poistetut viestit
fr: Corbeille, Éléments supprimés, Messages supprimés, Supprimés, Poubelle
gl: Lixo, Papeleira
he: אשפה, פריטים שנמחקו, פח אשפה
hr: Smeće, Izbrisane stavke, Izbrisano, Obrisano
hu: Kuka, Lomtár, Törölt elemek, Törölt, Törölt üzenetek
id: Sampah, Tempat Sampah, Item Terhapus, Tong Sampah
is: Rusl, Ruslafata, Eydd atriði
it: Cestino, Posta eliminata, Eliminata, Messaggi eliminati, Elementi eliminati, Eliminati
ja: ゴミ箱, ごみ箱, 削除済みアイテム, 削除済みメッセージ, 削除済み
ko: 휴지통, 지운 편지함, 지운편지함, 삭제된 항목, 지운 항목
lt: Šiukšliadėžė, Šiukšlinė, Ištrinti, Ištrintieji, Panaikinti elementai
lv: Miskaste, Atkritne, Dzēstie, Dzēstie vienumi
nb: Søppel, Søppelkurv, Slettede meldinger, Slettede e-poster
nl: Prullenbak, Prullenmand, Verwijderde items, Verwijderd, Verwijderde berichten
pl: Kosz, Elementy usunięte, Usunięte, Usunięte wiadomości
pt: Lixeira, Itens excluídos, Itens eliminados, Mensagens excluídas, Reciclagem, Excluídos, Apagados
ro: Coș de gunoi, Gunoi, Elemente șterse, Coș, Șterse
ru: Корзина, Удаленные, Удаленные элементы
sk: Vymazané
sl: Smeti, Izbrisani elementi
sr: Смеће, Отпад, Otpad
sv: Papperskorgen, Papperskorg, Borttaget, Borttagna objekt, Borttagna
th: ถังขยะ, รายการที่ถูกลบ, ขยะ
tr: Çöp Kutusu, Çöp, Silinmiş Öğeler, Silinmiş, Silinenler
uk: Кошик, Видалені, Видалене, Смітник
vi: Thùng rác, Đã xóa, Mục đã xóa
zh: 已删除, 已删除邮件, 废纸篓, 已删除消息, 回收站, 垃圾箱, 垃圾桶, 刪除的郵件, 已刪除的郵件, 已刪除, 資源回收筒
"""

_JUNK = """
en: Junk, Spam, Junk E-mail, Junk Email, Junk Mail, Bulk Mail, Bulk, Spambox
ar: البريد العشوائي, البريد غير الهام, رسائل غير مرغوب فيها, بريد مزعج
bg: Спам, Нежелана поща, Нежелана
ca: Correu brossa, Correu no desitjat
cs: Nevyžádaná pošta, Nevyžádané
da: Uønsket post, Uønsket mail, Uønskede mails
de: Unerwünscht, Spamverdacht, Unerwünschte Nachrichten
el: Ανεπιθύμητα, Ανεπιθύμητη αλληλογραφία, Ανεπιθύμητη
es: Correo no deseado, Correo basura, No deseado
et: Rämpspost, Rämps
eu: Zabor-posta, Spama
fi: Roskaposti, Roskapostit
fr: Indésirables, Courrier indésirable, Pourriel, Pourriels, Indésirable, Messages indésirables
gl: Correo lixo
he: דואר זבל, ספאם, זבל
hr: Neželjena pošta, Bezvrijedna pošta
hu: Levélszemét, Spamek
id: Email Sampah, Surat Sampah, Pesan Sampah
is: Ruslpóstur
it: Posta indesiderata, Indesiderata, Posta spazzatura
ja: 迷惑メール, 迷惑メールトレイ
ko: 정크 메일, 스팸함, 스팸메일함, 스팸 메일함, 정크메일, 스팸
lt: Brukalas, Šlamštas, Nepageidaujami laiškai
lv: Mēstules, Nevēlamais e-pasts, Surogātpasts
nb: Søppelpost, Uønsket e-post
nl: Ongewenste e-mail, Ongewenst, Ongewenste berichten
pl: Niechciane, Wiadomości-śmieci, Niechciana poczta
pt: Lixo eletrônico, Lixo electrónico, Correio não solicitado, E-mail de lixo, Email de lixo
ro: Mesaje nedorite, E-mail nedorit, Nedorite
ru: Нежелательная почта, Сомнительные
sk: Nevyžiadaná pošta, Nevyžiadané
sl: Neželena pošta, Vsiljena pošta
sr: Нежељена пошта, Непожељно, Neželjeno
sv: Skräppost, Skräp
th: อีเมลขยะ, จดหมายขยะ, สแปม
tr: Önemsiz, Önemsiz E-posta, İstenmeyen, Gereksiz, Gereksiz E-posta
uk: Небажана пошта, Небажані
vi: Thư rác, Email rác, Thư rác điện tử
zh: 垃圾邮件, 垃圾郵件, 广告邮件
"""

_ARCHIVE = """
en: Archive, Archives, Archived
ar: الأرشيف, أرشيف
bg: Архив
ca: Arxiu, Arxius
cs: Archivy, Archív
da: Arkiv, Arkiver
el: Αρχείο, Αρχειοθέτηση, Αρχειοθήκη
es: Archivo, Archivados, Archivar
et: Arhiiv
eu: Artxiboa
fi: Arkisto, Arkistot
fr: Archivage
gl: Arquivo, Arquivos
he: ארכיון
hr: Arhiva
hu: Archívum
id: Arsip
is: Safn, Geymsla
it: Archivio, Archivi, Archiviati
ja: アーカイブ
ko: 보관, 보관함, 아카이브
lt: Archyvas, Archyvai
lv: Arhīvs
nb: Arkivert
nl: Archief, Archieven
pl: Archiwum, Archiwa
pt: Arquivo morto, Arquivadas
ro: Arhivate
ru: Архивы
sl: Arhiv, Arhivi
sr: Архива
sv: Arkiverat
th: เก็บถาวร, ที่เก็บถาวร
tr: Arşiv, Arşivler
uk: Архів
vi: Lưu trữ, Kho lưu trữ
zh: 归档, 存档, 封存, 存檔, 郵件封存, 封存郵件
"""

_TABLES = {"\\Archive": _ARCHIVE, "\\Drafts": _DRAFTS, "\\Junk": _JUNK, "\\Sent": _SENT, "\\Trash": _TRASH}


def fold(name: str) -> str:
    """Return a name as it is looked up: without case, accents, and the choice between blank, ``-``, ``_`` and ``.``."""
    text = unicodedata.normalize("NFKD", name).casefold()
    bare = "".join(character for character in text if not unicodedata.combining(character))
    return " ".join(bare.replace("-", " ").replace("_", " ").replace(".", " ").split())


def _read_tables() -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for use, table in _TABLES.items():
        names = [name for line in table.strip().split("\n") for name in line.partition(": ")[2].split(", ")]
        for rank, name in enumerate(names):
            found.setdefault(fold(name), (use, rank))
    return found


BY_NAME = _read_tables()
"""Special use and rank (lower is more usual) by folded name."""


def languages(use: str) -> frozenset[str]:
    """Return the codes (ISO 639-1) of the languages whose names for a use are known."""
    return frozenset(line.partition(":")[0] for line in _TABLES[use].strip().split("\n"))
