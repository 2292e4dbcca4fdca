"""What Gmail calls its own labels, by language: Takeout writes them in the language of the account.

``docs/formats/takeout.md`` says where the words are from and which of them were seen in real exports. An export has one
language; which it is shows in its labels (``find_language``), and only that language's words are Gmail's own in it: a
user's label "Chat" or "Papelera" in an English account is the user's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

INBOX, SENT, DRAFT, TRASH, SPAM, STARRED = "INBOX", "SENT", "DRAFT", "TRASH", "SPAM", "STARRED"
IMPORTANT, UNREAD, OPENED, ARCHIVED, CHAT, ALL = "IMPORTANT", "UNREAD", "OPENED", "ARCHIVED", "CHAT", "ALL"
CATEGORIES = ("CATEGORY_PERSONAL", "CATEGORY_SOCIAL", "CATEGORY_PROMOTIONS", "CATEGORY_UPDATES", "CATEGORY_FORUMS")
"""Gmail's names for its own labels, as its API has them (OPENED, ARCHIVED and ALL are Takeout's alone)."""

_KINDS = (INBOX, SENT, DRAFT, TRASH, SPAM, STARRED, IMPORTANT, UNREAD, OPENED, ARCHIVED, CHAT, ALL)

# One line a kind of _KINDS; then the word for "category" and the five categories. A comma separates spellings.
_WORDS = """\
en|Inbox|Sent,Sent Mail|Drafts,Draft|Trash,Bin|Spam|Starred|Important|Unread|Opened|Archived|Chat,Chats|All Mail
  |Category|Personal,Primary|Social|Promotions|Updates|Forums
de|Posteingang|Gesendet|Entwürfe,Entwurf|Papierkorb|Spam|Markiert|Wichtig|Ungelesen|Geöffnet|Archiviert|Chat,Chats\
|Alle Nachrichten
  |Kategorie|Persönlich,Allgemein|Soziale Netzwerke,Soziales|Werbung|Neuigkeiten,Benachrichtigungen|Foren
fr|Boîte de réception|Messages envoyés,Envoyé,Envoyés|Brouillons,Brouillon|Corbeille|Spam|Favoris,Messages suivis\
|Important,Importants|Non lus,Non lu|Ouvert,Ouverts|Archivés,Messages archivés,Archivé|Chat,Discussions\
|Tous les messages
  |Catégorie|E-mails personnels,Personnel,Principale|Réseaux sociaux|Promotions|Notifications,Mises à jour|Forums
es|Recibidos,Bandeja de entrada|Enviados,Enviado|Borradores,Borrador|Papelera|Spam|Destacados,Destacado\
|Importantes,Importante|No leídos,No leído,Sin leer|Abiertos,Abierto|Archivados,Archivado|Chat,Chats\
|Todos,Todos los correos
  |Categoría|Personal,Principal|Social|Promociones|Notificaciones,Actualizaciones|Foros
it|Posta in arrivo|Posta inviata,Inviati,Inviata|Bozze|Cestino|Spam|Speciali,Messaggi speciali|Importanti,Importante\
|Da leggere,Non letti,Non letto|Aperti,Aperto,Aperta|Archiviati,Archiviato,Archiviata|Chat|Tutti i messaggi
  |Categoria|Personale,Principale|Social|Promozioni|Aggiornamenti|Forum
pt-br|Caixa de entrada|Enviados,Enviado,E-mails enviados|Rascunhos|Lixeira|Spam|Com estrela|Importante,Importantes\
|Não lidas,Não lidos,Não lido|Abertas,Abertos,Aberto|Arquivadas,Arquivados,Arquivado|Bate-papos,Chat|Todos os e-mails
  |Categoria|Pessoal,Principal|Social|Promoções|Atualizações|Fóruns
pt|Caixa de entrada,Recebido|Enviado,Correio enviado|Rascunhos|Lixo,Caixote do lixo|Spam|Com estrela\
|Importante,Importantes|Não lido,Não lidas|Aberto,Abertas|Arquivado,Arquivadas|Chats,Chat|Todo o correio
  |Categoria|Pessoal,Principal|Social,Redes sociais|Promoções|Atualizações|Fóruns
nl|Inbox,Postvak IN|Verzonden,Verzonden berichten|Concepten|Prullenbak|Spam|Met ster|Belangrijk|Ongelezen|Geopend\
|Gearchiveerd|Chat,Chats|Alle berichten,Alle e-mail
  |Categorie|Persoonlijk,Primair|Sociaal|Reclame,Promoties|Updates|Forums
sv|Inkorg,Inkorgen|Skickat,Skickade,Skickat mail|Utkast|Papperskorgen|Skräppost|Stjärnmärkt,Stjärnmärkta\
|Viktigt,Viktiga|Oläst,Olästa|Öppnat,Öppnade,Öppnad|Arkiverat,Arkiverade,Arkiverad|Chatt,Chattar|Alla mail,All e-post
  |Kategori|Personligt,Primär|Socialt|Kampanjer,Reklam|Uppdateringar|Forum
da|Indbakke|Sendt,Sendte mails|Kladder|Papirkurv|Spam|Stjernemarkeret,Stjernemarkerede|Vigtig,Vigtigt|Ulæst,Ulæste\
|Åbnet,Åbnede|Arkiveret,Arkiverede|Chat,Chatsamtaler|Alle e-mails,Alle mails
  |Kategori|Personlig,Primær|Sociale netværk,Socialt|Kampagner,Reklamer|Opdateringer|Fora
no|Innboks|Sendt,Sendt e-post|Utkast|Papirkurv|Søppelpost,Spam|Stjernemerket,Med stjerne|Viktig|Ulest,Uleste|Åpnet\
|Arkivert|Nettprat,Chat|All e-post
  |Kategori|Personlig,Primær|Sosialt|Reklame,Kampanjer|Oppdateringer|Forumer
fi|Postilaatikko,Saapuneet|Lähetetyt,Lähetetyt viestit|Luonnokset|Roskakori|Roskaposti|Tähdellä merkityt\
|Tärkeät,Tärkeä|Lukemattomat,Lukematon|Avatut,Avattu|Arkistoidut,Arkistoitu|Chat,Chatit|Kaikki viestit
  |Luokka,Kategoria|Henkilökohtaiset,Ensisijainen|Sosiaalinen media|Tarjoukset,Kampanjat|Päivitykset|Foorumit
is|Innhólf,Pósthólf|Sent,Sendur póstur|Drög|Rusl|Ruslpóstur|Stjörnumerkt|Mikilvægt|Ólesið|Opnað|Í geymslu|Spjall\
|Allur póstur
  |Flokkur|Persónulegt,Aðal|Samfélagsmiðlar|Kynningar|Uppfærslur|Spjallborð
pl|Odebrane|Wysłane|Wersje robocze,Robocze|Kosz|Spam|Oznaczone gwiazdką|Ważne|Nieprzeczytane|Otwarte|Zarchiwizowane\
|Czaty,Czat|Wszystkie
  |Kategoria|Osobiste,Główne|Społeczności|Oferty|Powiadomienia|Fora
cs|Doručená pošta|Odeslané,Odeslaná pošta|Koncepty|Koš|Spam|S hvězdičkou|Důležité|Nepřečtené|Otevřené|Archivované\
|Chat,Chaty|Všechny zprávy
  |Kategorie|Osobní,Primární|Sociální sítě|Promo akce,Reklamy|Aktualizace|Fóra
sk|Doručená pošta,Doručené|Odoslané|Koncepty|Kôš|Spam|S hviezdičkou|Dôležité|Neprečítané|Otvorené|Archivované\
|Čet,Čety,Chat|Všetky správy
  |Kategória|Osobné,Primárne|Sociálne siete|Promo akcie,Reklamy|Aktualizácie|Fóra
hu|Beérkező levelek|Elküldött levelek,Elküldött|Piszkozatok|Kuka|Spam|Csillagozott|Fontos|Olvasatlan|Megnyitott\
|Archivált,Archivált levelek|Csevegés,Csevegések|Összes levél
  |Kategória|Személyes,Elsődleges|Közösségi|Promóciók|Frissítések|Fórumok
ro|Mesaje primite,Primite|Trimise,Mesaje trimise|Mesaje nefinalizate,Ciorne,Schițe|Coș de gunoi,Coş de gunoi|Spam\
|Cu stea|Importante,Important|Necitite|Deschise|Arhivate|Chat,Chaturi|Toate mesajele
  |Categorie|Personale,Principale|Rețele sociale|Promoții|Actualizări|Forumuri
bg|Входящи|Изпратени|Чернови|Кошче|Спам|Със звезда|Важни,Важно|Непрочетени|Отворени|Архивирани|Чат,Чатове|Цялата поща
  |Категория|Лични,Основни|Социални|Промоции|Актуализации|Форуми
ru|Входящие|Отправленные|Черновики|Корзина|Спам|Помеченные|Важное,Важные|Непрочитанные,Не прочитано\
|Открытые,Прочитанные|Архивные,Заархивированные,В архиве|Чаты,Чат|Вся почта
  |Категория|Личное,Личные,Несортированные|Соцсети,Социальные сети|Промоакции|Оповещения|Форумы
uk|Вхідні|Надіслані|Чернетки|Кошик|Спам|Із зірочкою|Важливо,Важливі|Непрочитані|Відкриті|Заархівовані,В архіві\
|Чати,Чат|Уся пошта,Вся пошта
  |Категорія|Особисті,Основні|Соцмережі,Соціальні мережі|Реклама,Промоакції|Оновлення,Сповіщення|Форуми
sr|Примљене поруке,Примљено|Послато,Послате|Недовршене,Нацрти|Отпад|Непожељно,Непожељне|Са звездицом|Важно\
|Непрочитано|Отворено|Архивирано|Ћаскања,Ћаскање|Сва пошта,Све поруке
  |Категорија|Лично,Примарно|Друштвене мреже|Промоције|Новости,Ажурирања|Форуми
hr|Pristigla pošta|Poslano,Poslana pošta|Skice|Otpad|Neželjena pošta,Neželjeno|Sa zvjezdicom|Važno|Nepročitano|Otvoreno\
|Arhivirano|Chatovi,Chat|Sva pošta
  |Kategorija|Osobno,Primarno|Društvene mreže|Promocije|Ažuriranja|Forumi
sl|Prejeto|Poslano|Osnutki|Smetnjak,Koš|Vsiljena pošta|Z zvezdico|Pomembno|Neprebrano|Odprto|Arhivirano\
|Klepeti,Klepet|Vsa pošta
  |Kategorija|Osebno,Primarno|Družabna omrežja|Promocije|Posodobitve|Forumi
lt|Gautieji|Išsiųsti,Išsiųsti laiškai|Juodraščiai|Šiukšliadėžė|Šlamštas|Pažymėti žvaigždute,Su žvaigždute\
|Svarbūs,Svarbu|Neskaityti|Atidaryti|Suarchyvuoti,Archyvuoti|Pokalbiai,Pokalbis|Visi laiškai
  |Kategorija|Asmeniniai,Pagrindiniai|Socialiniai tinklai|Reklamos|Naujiniai,Atnaujinimai|Forumai
lv|Iesūtne|Nosūtītās,Nosūtītās vēstules|Melnraksti|Miskaste|Mēstules|Ar zvaigznīti|Svarīgi|Nelasītās,Nelasīts\
|Atvērtās,Atvērts|Arhivētās,Arhivēts|Tērzēšana,Tērzēšanas|Visas vēstules
  |Kategorija|Personīgi,Primārās|Sociālie tīkli|Reklāmas|Atjauninājumi|Forumi
et|Postkast|Saadetud|Mustandid|Prügikast|Rämpspost|Tärniga|Olulised,Tähtis|Lugemata|Avatud|Arhiivitud,Arhiveeritud\
|Vestlused,Vestlus|Kõik kirjad,Kogu e-post
  |Kategooria|Isiklik,Põhiline|Sotsiaalvõrgustikud|Reklaam,Kampaaniad|Värskendused|Foorumid
el|Εισερχόμενα|Απεσταλμένα|Πρόχειρα|Κάδος απορριμμάτων,Κάδος|Ανεπιθύμητα|Με αστέρι|Σημαντικά|Μη αναγνωσμένα|Ανοιγμένα\
|Αρχειοθετημένα|Συνομιλίες,Chat|Όλα τα μηνύματα,Όλη η αλληλογραφία
  |Κατηγορία|Προσωπικά,Κύρια|Κοινωνικά δίκτυα|Προσφορές|Ενημερώσεις|Φόρουμ
tr|Gelen Kutusu|Gönderilmiş Postalar,Gönderilenler,Gönderildi|Taslaklar|Çöp Kutusu|Spam|Yıldızlı|Önemli\
|Okunmamış,Okunmadı|Açılmış,Açıldı|Arşivlenmiş,Arşivlendi|Sohbetler,Sohbet|Tüm Postalar
  |Kategori|Kişisel,Birincil|Sosyal|Tanıtımlar|Güncellemeler|Forumlar
ca|Safata d'entrada,Rebuts|Enviats,Enviat|Esborranys|Paperera|Correu brossa|Destacats|Importants,Important\
|No llegits,Sense llegir|Oberts,Obert|Arxivats,Arxivat|Xats,Xat|Tots els missatges,Tots
  |Categoria|Personal,Principal|Social|Promocions|Notificacions|Fòrums
gl|Caixa de entrada,Recibidos|Enviados|Borradores|Papeleira|Spam|Destacados|Importantes|Non lidos|Abertos|Arquivados\
|Chat|Todos os correos,Todas as mensaxes
  |Categoría|Persoal,Principal|Social|Promocións|Notificacións,Actualizacións|Foros
id|Kotak Masuk|Terkirim|Draf|Sampah,Tong Sampah|Spam|Berbintang|Penting|Belum Dibaca|Dibuka|Diarsipkan|Chat|Semua Email
  |Kategori|Pribadi,Utama|Sosial|Promosi|Update,Info Terbaru|Forum
ms|Peti Masuk|Dihantar|Draf|Sampah|Spam|Berbintang|Penting|Belum Dibaca|Dibuka|Diarkibkan|Sembang|Semua Mel
  |Kategori|Peribadi,Utama|Sosial|Promosi|Kemas Kini|Forum
fil|Inbox|Naipadala,Ipinadala|Mga Draft|Basurahan,Trash|Spam|Naka-star|Mahalaga|Hindi pa nababasa|Nabuksan\
|Naka-archive|Chat,Mga Chat|Lahat ng Mail
  |Kategorya|Personal,Pangunahin|Sosyal|Mga Promosyon|Mga Update|Mga Forum
vi|Hộp thư đến|Thư đã gửi,Đã gửi|Thư nháp|Thùng rác|Thư rác|Có gắn dấu sao,Được gắn dấu sao|Quan trọng|Chưa đọc|Đã mở\
|Đã lưu trữ|Trò chuyện|Tất cả thư
  |Danh mục|Cá nhân,Chính|Mạng xã hội|Quảng cáo|Nội dung cập nhật,Cập nhật|Diễn đàn
th|กล่องจดหมาย|จดหมายที่ส่งแล้ว,ส่งแล้ว|ร่างจดหมาย,จดหมายร่าง|ถังขยะ|จดหมายขยะ,สแปม|ที่ติดดาว|สำคัญ|ยังไม่ได้อ่าน|เปิดแล้ว\
|เก็บถาวรแล้ว,เก็บเข้าคลังแล้ว|แชท|จดหมายทั้งหมด
  |หมวดหมู่|ส่วนตัว,หลัก|โซเชียล|โปรโมชัน|อัปเดต|ฟอรัม
ja|受信トレイ|送信済み,送信済みメール|下書き|ゴミ箱|迷惑メール|スター付き|重要|未読|開封済み|アーカイブ,アーカイブ済み|チャット\
|すべてのメール
  |カテゴリ,カテゴリー|プライベート,個人,メイン|ソーシャル|プロモーション|最新情報,新着|フォーラム
ko|받은편지함|보낸편지함|임시보관함|휴지통|스팸함,스팸|별표편지함,별표|중요,중요편지함|읽지 않음,읽지않음|열림,열어봄\
|보관됨,보관처리됨|채팅|전체보관함
  |카테고리|개인,기본|소셜|프로모션|업데이트|포럼
zh-cn|收件箱|已发邮件,已发送|草稿|已删除邮件,回收站|垃圾邮件|已加星标|重要,重要邮件|未读|已打开|已归档|聊天|所有邮件
  |类别,分类|个人,主要|社交|推广,促销|动态,更新|论坛
zh-tw|收件匣|寄件備份|草稿|垃圾桶|垃圾郵件|已加星號|重要,重要郵件|未讀,未讀取|已開啟,已開封|已封存|即時通訊,聊天\
|所有郵件,全部郵件
  |類別,分類|個人,主要|社交網路,社交|促銷內容|最新快訊|論壇
he|דואר נכנס|דואר יוצא,נשלח|טיוטות|אשפה|ספאם,דואר זבל|מסומן בכוכב,מסומנים בכוכב|חשוב|לא נקרא,לא נקראו|נפתח,נפתחו\
|הועבר לארכיון,בארכיון|צ'אט,צ'אטים|כל הדואר
  |קטגוריה|אישי,ראשי|רשתות חברתיות|מבצעים,קידומי מכירות|עדכונים|פורומים
ar|البريد الوارد,الوارد|البريد المرسل,المرسل|المسودات|المهملات,مهملات|الرسائل غير المرغوب فيها,غير مرغوب فيه\
|المميّزة بنجمة,مميز بنجمة|مهم,المهمة|غير مقروءة,غير مقروء|مفتوحة,تم فتحها|مؤرشفة,تمت أرشفتها|الدردشات,دردشة\
|كل البريد,جميع الرسائل
  |الفئة,فئة|شخصي,الأساسية|اجتماعي,الشبكات الاجتماعية|ترويجية,العروض الترويجية|تحديثات,إشعارات|منتديات,المنتديات
fa|صندوق ورودی|ارسال شده|پیش نویس ها|زباله دان,حذف شده ها|هرزنامه|ستاره دار|مهم|خوانده نشده|باز شده|بایگانی شده\
|گپ ها,گپ|همه نامه ها
  |دسته|شخصی,اصلی|اجتماعی|تبلیغات|به روزرسانی ها|انجمن ها
hi|इनबॉक्स|भेजे गए मेल,भेजा गया|ड्राफ़्ट,प्रारूप|ट्रैश,ट्रैश करें|स्पैम,जंक|तारांकित|महत्वपूर्ण|अपठित|खोले गए,खोला गया|संग्रहीत\
|चैट|सभी मेल
  |श्रेणी|व्यक्तिगत,मुख्य|सोशल|प्रमोशन,प्रचार|अपडेट|फ़ोरम
"""
_PUNCTUATION = re.compile(r"[\s\u00a0\u200c\u200e\u200f\"'`:\u2018-\u201f\u00ab\u00bb\u300c\u300d\[\]]+")


def folded(label: str) -> str:
    """Return what spellings of one label of Gmail's have in common: no case, quotes or colons, single blanks."""
    plain = unicodedata.normalize("NFKC", label).replace("\u0640", "")  # Arabic letters drawn out
    return _PUNCTUATION.sub(" ", plain).strip().casefold()


def _read(text: str) -> dict[str, dict[str, str]]:
    languages: dict[str, dict[str, str]] = {}
    lines = iter(text.splitlines())
    for line, more in zip(lines, lines, strict=True):
        code, *words = line.split("|")
        _, category, *groups = more.split("|")
        known = languages[code] = {}
        for kind, spellings in zip(_KINDS, words, strict=True):
            known.update({folded(word): kind for word in spellings.split(",")})
        for kind, spellings in zip(CATEGORIES, groups, strict=True):
            for head in category.split(","):
                known.update({folded(f"{head} {word}"): kind for word in spellings.split(",")})
    return languages


LANGUAGES: Mapping[str, Mapping[str, str]] = _read(_WORDS)
"""By language (BCP 47, lower case), most likely first: the kind of each of Gmail's labels by its ``folded`` name."""


def find_language(labels: Mapping[str, int]) -> str | None:
    """Return the language in which most messages have one of Gmail's own labels; None where no label is known.

    Args:
        labels: how many messages have each label.
    """
    names = [(folded(label), count) for label, count in labels.items()]
    scores = {code: sum(count for name, count in names if name in known) for code, known in LANGUAGES.items()}
    best = max(scores, key=lambda code: scores[code])  # the first of equals
    return best if scores[best] else None


def kinds_of(labels: Iterable[str], language: str | None) -> tuple[frozenset[str], tuple[str, ...]]:
    """Sort a message's labels into kinds of Gmail's own and those that the user made, in their order."""
    known = LANGUAGES[language] if language is not None else {}
    kinds, users = set(), []
    for label in labels:
        kind = known.get(folded(label))
        if kind is None:
            users.append(label)
        else:
            kinds.add(kind)
    return frozenset(kinds), tuple(users)
